// Holds namespaces open as their first process: of a pod's sandbox, and of a region.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGINT, syscall.SIGTERM)
	// Children may have ended before the handler was in place.
	reap()
	for s := range signals {
		if s != syscall.SIGCHLD {
			// The kernel kills whatever else is in the pid namespace when its first process is gone.
			os.Exit(0)
		}
		reap()
	}
}

// Orphans of the namespace become this process's children; unreaped they would stay as zombies and fill the pid space.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 {
			return
		}
	}
}
