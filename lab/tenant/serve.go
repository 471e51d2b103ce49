package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// longestRequest bounds what a draining server waits for; the pod's grace period ends soon after.
const longestRequest = 5 * time.Second

// largestBody bounds what any of the servers reads of a request, in bytes.
const largestBody = 8 << 20

// service is one listener's server: serve blocks until stop has been called.
type service struct {
	name  string
	serve func() error
	// drain asks for no new work on kept connections, while new connections are still served.
	drain func()
	// stop ends the service once its requests in flight are done or ctx ends.
	stop func(ctx context.Context)
}

// runServices serves until ctx ends, then for another grace period: endpoints take a moment to leave the proxies that
// still send here, and a server that stops at once would fail their requests.
func runServices(ctx context.Context, ready *atomic.Bool, grace time.Duration, services ...service) error {
	failed := make(chan error, len(services))
	for _, s := range services {
		go func() {
			if err := s.serve(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				failed <- fmt.Errorf("%s: %w", s.name, err)
			}
		}()
	}
	ready.Store(true)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ready.Store(false)
	for _, s := range services {
		if s.drain != nil {
			s.drain()
		}
	}
	select {
	case err := <-failed:
		return err
	case <-time.After(grace):
	}
	bounded, cancel := context.WithTimeout(context.Background(), longestRequest)
	defer cancel()
	for _, s := range services {
		s.stop(bounded)
	}
	return nil
}

// httpService serves handler by HTTP/1.1 and by HTTP/2 without TLS.
func httpService(name string, listener net.Listener, handler http.Handler) service {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	return service{
		name:  name,
		serve: func() error { return server.Serve(listener) },
		drain: func() { server.SetKeepAlivesEnabled(false) },
		stop: func(ctx context.Context) {
			if err := server.Shutdown(ctx); err != nil {
				log.Printf("%s: requests cut off: %v", name, err)
				_ = server.Close()
			}
		},
	}
}

func health(ready *atomic.Bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	}
}

func respond(w http.ResponseWriter, status int, value any) {
	w.Header().Set("content-type", "application/json")
	w.WriteHeader(status)
	_ = printJSON(w, value)
}

// readJSON decodes a request's body into value, answering 400 itself when it cannot; an empty body leaves value as it is.
func readJSON(w http.ResponseWriter, r *http.Request, value any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, largestBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil && !errors.Is(err, io.EOF) {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}
