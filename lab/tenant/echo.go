package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// largestEcho bounds how much of a request's body an answer repeats, in bytes.
const largestEcho = 64 << 10

// mode says how this workload answers: Status 0 is the usual 200, Hang answers nothing until the caller gives up.
type mode struct {
	Status int      `json:"status"`
	Delay  duration `json:"delay"`
	Hang   bool     `json:"hang"`
}

func (m mode) validate() error {
	if m.Status != 0 && (m.Status < 200 || m.Status > 599) {
		return fmt.Errorf("status %d is no final HTTP status (200 to 599, or 0 for the usual answer)", m.Status)
	}
	if m.Delay < 0 {
		return errors.New("delay is negative")
	}
	return nil
}

// reply is what the echo server says of a request.
type reply struct {
	identity
	Protocol string            `json:"protocol"`
	Method   string            `json:"method"`
	Host     string            `json:"host"`
	Path     string            `json:"path"`
	Query    string            `json:"query"`
	Headers  map[string]string `json:"headers"`
	Peer     string            `json:"peer"`
	Body     string            `json:"body,omitempty"`
}

// echo is the state that the HTTP, gRPC, TCP and control servers of one workload share.
type echo struct {
	who      identity
	ready    atomic.Bool
	requests counters

	mu   sync.Mutex
	mode mode
}

func (e *echo) currentMode() mode {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mode
}

func (e *echo) setMode(m mode) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mode = m
}

// modeFor is the pod's mode with what one request asks for by x-echo-status and x-echo-delay put over it.
func (e *echo) modeFor(status, delay string) (mode, error) {
	m := e.currentMode()
	if status != "" {
		code, err := strconv.Atoi(status)
		if err != nil {
			return m, fmt.Errorf("x-echo-status %q is no number", status)
		}
		m.Status = code
	}
	if delay != "" {
		wait, err := time.ParseDuration(delay)
		if err != nil {
			return m, fmt.Errorf("x-echo-delay: %w", err)
		}
		m.Delay = duration(wait)
	}
	return m, m.validate()
}

// hold waits as the mode asks; false says that the caller left first.
func (m mode) hold(ctx context.Context) bool {
	if m.Hang {
		<-ctx.Done()
		return false
	}
	if m.Delay == 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(time.Duration(m.Delay))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (e *echo) serveHTTP(w http.ResponseWriter, r *http.Request) {
	caller := callerIdentity(r.Header.Get("x-forwarded-client-cert"))
	m, err := e.modeFor(r.Header.Get("x-echo-status"), r.Header.Get("x-echo-delay"))
	if err != nil {
		e.requests.add("http", strconv.Itoa(http.StatusBadRequest), r.URL.Path, caller)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, largestEcho))
	if err == nil {
		// The rest is read as well: an answer before the end of a request closes its connection, and whoever still sends
		// finds it reset.
		_, err = io.Copy(io.Discard, io.LimitReader(r.Body, largestBody))
	}
	if err != nil || !m.hold(r.Context()) {
		e.requests.add("http", "abandoned", r.URL.Path, caller)
		return
	}
	status := m.Status
	if status == 0 {
		status = http.StatusOK
	}
	e.requests.add("http", strconv.Itoa(status), r.URL.Path, caller)
	if status == http.StatusNoContent || status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	respond(w, status, reply{
		identity: e.who, Protocol: r.Proto, Method: r.Method, Host: r.Host, Path: r.URL.Path, Query: r.URL.RawQuery,
		Headers: flatten(r.Header), Peer: r.RemoteAddr, Body: string(body),
	})
}

func (e *echo) httpHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", health(&e.ready))
	mux.HandleFunc("/", e.serveHTTP)
	return mux
}

// controlHandler changes and shows the pod's mode and counters. Readiness lives here too: a pod that is told to fail
// must stay an endpoint, or nothing would ever meet its failures.
func (e *echo) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", health(&e.ready))
	mux.HandleFunc("GET /mode", func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, e.currentMode()) })
	mux.HandleFunc("POST /mode", func(w http.ResponseWriter, r *http.Request) {
		var wanted mode
		if !readJSON(w, r, &wanted) {
			return
		}
		if err := wanted.validate(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		e.setMode(wanted)
		respond(w, http.StatusOK, wanted)
	})
	mux.HandleFunc("GET /requests", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, e.requests.snapshot())
	})
	mux.HandleFunc("POST /reset", func(w http.ResponseWriter, _ *http.Request) {
		e.setMode(mode{})
		e.requests.reset()
		respond(w, http.StatusOK, e.requests.snapshot())
	})
	return mux
}

func flatten(headers http.Header) map[string]string {
	flat := make(map[string]string, len(headers))
	for name, values := range headers {
		flat[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return flat
}

// callerIdentity takes the last caller's URI out of an x-forwarded-client-cert header ("By=...;Hash=...;URI=spiffe://...").
func callerIdentity(header string) string {
	elements := strings.Split(header, ",")
	for _, field := range strings.Split(elements[len(elements)-1], ";") {
		if uri, found := strings.CutPrefix(strings.TrimSpace(field), "URI="); found {
			return uri
		}
	}
	return ""
}

func runEcho(ctx context.Context, arguments []string, _ io.Writer) error {
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	httpAddress := flags.String("http", ":8080", "address of the HTTP server")
	grpcAddress := flags.String("grpc", ":9090", "address of the gRPC server")
	tcpAddress := flags.String("tcp", ":9000", "address of the TCP server")
	controlAddress := flags.String("control", ":8081", "address of the control server")
	grace := flags.Duration("drain", 3*time.Second, "how long to serve on after being asked to stop")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	e := &echo{who: identityFromEnvironment()}
	listeners := make([]net.Listener, 0, 4)
	for _, address := range []string{*httpAddress, *grpcAddress, *tcpAddress, *controlAddress} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		listeners = append(listeners, listener)
	}
	log.Printf("echo %s %s in %s: http %s, grpc %s, tcp %s, control %s", e.who.Service, e.who.Version, e.who.Region,
		listeners[0].Addr(), listeners[1].Addr(), listeners[2].Addr(), listeners[3].Addr())
	return runServices(ctx, &e.ready, *grace,
		httpService("http", listeners[0], e.httpHandler()),
		e.grpcService(listeners[1]),
		e.tcpService(listeners[2]),
		httpService("control", listeners[3], e.controlHandler()),
	)
}
