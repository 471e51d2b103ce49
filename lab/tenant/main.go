// Command tenant is the sample workload of the lab: an echo server that says who it is, a bounded load generator, probes,
// a token issuer and a sink for traces and access logs, in one static binary.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

type command struct {
	name, summary string
	run           func(ctx context.Context, arguments []string, out io.Writer) error
}

var commands = []command{
	{"echo", "serve HTTP, gRPC and TCP, answering with this workload's identity", runEcho},
	{"load", "send requests at a fixed rate and print one JSON summary", runLoad},
	{"get", "send one request and print the answer as JSON", runGet},
	{"tls", "attempt one TLS handshake and print what came of it as JSON", runTLS},
	{"tcp", "open one TCP connection, send bytes and print what came back as JSON", runTCP},
	{"issuer", "serve a JWKS and mint test tokens, good and bad ones", runIssuer},
	{"sink", "collect traces and access logs in memory", runSink},
}

func main() {
	if len(os.Args) < 2 {
		usage()
		os.Exit(2)
	}
	for _, c := range commands {
		if c.name != os.Args[1] {
			continue
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		err := c.run(ctx, os.Args[2:], os.Stdout)
		stop()
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "tenant %s: %v\n", c.name, err)
			os.Exit(1)
		}
		return
	}
	usage()
	os.Exit(2)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: tenant COMMAND [flags]")
	for _, c := range commands {
		fmt.Fprintf(os.Stderr, "  %-8s %s\n", c.name, c.summary)
	}
}

func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
