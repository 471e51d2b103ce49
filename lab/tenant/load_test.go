package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

type callerFunc func(ctx context.Context) (answer, error)

func (f callerFunc) call(ctx context.Context) (answer, error) { return f(ctx) }
func (f callerFunc) close()                                   {}

func TestSlowAnswersDoNotSlowTheSending(t *testing.T) {
	var calls atomic.Int32
	slow := callerFunc(func(ctx context.Context) (answer, error) {
		calls.Add(1)
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
		return answer{good: true}, nil
	})
	p := plan{rate: 100, duration: 300 * time.Millisecond, concurrency: 100, timeout: time.Second}
	outcomes, elapsed, ended := p.run(context.Background(), slow)
	if len(outcomes) != 30 || calls.Load() != 30 || ended != "duration" {
		t.Errorf("%d outcomes of %d calls, ended by %s; 30 were due", len(outcomes), calls.Load(), ended)
	}
	if elapsed < 480*time.Millisecond {
		t.Errorf("ended after %s, before the last answer", elapsed)
	}
}

func TestRequestsBeyondTheConcurrencyAreWithheldAndSaidSo(t *testing.T) {
	// Both stay in flight for much longer than the sending lasts, on a busy machine too.
	stuck := callerFunc(func(ctx context.Context) (answer, error) { <-ctx.Done(); return answer{good: true}, nil })
	p := plan{rate: 100, duration: 100 * time.Millisecond, concurrency: 2, timeout: 2 * time.Second}
	outcomes, elapsed, _ := p.run(context.Background(), stuck)
	if s := summarise(outcomes, elapsed, false); s.Sent != 2 || s.NotSent != 8 {
		t.Errorf("sent %d, not sent %d; want 2 and 8", s.Sent, s.NotSent)
	}
}

func TestAnAnswerInFlightIsWaitedForWhenTheLoadIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	called := make(chan struct{}, 1)
	slow := callerFunc(func(ctx context.Context) (answer, error) {
		called <- struct{}{}
		time.Sleep(50 * time.Millisecond)
		return answer{good: true}, ctx.Err()
	})
	go func() { <-called; cancel() }()
	p := plan{rate: 1, duration: 10 * time.Second, concurrency: 1, timeout: time.Second}
	outcomes, _, ended := p.run(ctx, slow)
	if len(outcomes) != 1 || !outcomes[0].good() || ended != "signal" {
		t.Errorf("%+v, ended by %s", outcomes, ended)
	}
}

func TestBoundsAreRefusedWhereTheyAreExceeded(t *testing.T) {
	fits := plan{rate: 1000, duration: 300 * time.Second, concurrency: 1000, timeout: time.Second}
	if err := fits.validate(); err != nil {
		t.Errorf("the bounds themselves are refused: %v", err)
	}
	for name, change := range map[string]func(*plan){
		"rate":        func(p *plan) { p.rate = 1001 },
		"no rate":     func(p *plan) { p.rate = 0 },
		"duration":    func(p *plan) { p.duration += time.Second },
		"count":       func(p *plan) { p.count = -1 },
		"concurrency": func(p *plan) { p.concurrency = 0 },
		"timeout":     func(p *plan) { p.timeout = 0 },
	} {
		p := fits
		change(&p)
		if p.validate() == nil {
			t.Errorf("%s: %+v is accepted", name, p)
		}
	}
}

func load(t *testing.T, arguments ...string) summary {
	t.Helper()
	var out bytes.Buffer
	if err := runLoad(context.Background(), arguments, &out); err != nil {
		t.Fatal(err)
	}
	var s summary
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	if strings.Count(out.String(), "\n") != 1 {
		t.Errorf("more than one line: %s", out.String())
	}
	return s
}

func TestLoadSaysWhoAnsweredOverEachProtocol(t *testing.T) {
	servers := startEcho(t, identity{Service: "exam", Version: "v2", Region: "east", Pod: "p"})
	for _, arguments := range [][]string{
		{"--url", "http://" + servers.http + "/x"},
		{"--url", "http://" + servers.http + "/x", "--http2"},
		{"--url", "http://" + servers.http + "/x", "--no-keepalive"},
		{"--url", "grpc://" + servers.grpc},
		{"--url", "grpc://" + servers.grpc, "--no-keepalive"},
		{"--url", "tcp://" + servers.tcp},
	} {
		s := load(t, append(arguments, "--rate", "200", "--count", "5")...)
		if s.OK != 5 || s.Regions["east"] != 5 || s.Versions["v2"] != 5 || s.Ended != "count" {
			t.Errorf("%v: %+v", arguments, s)
		}
	}
}

func TestLoadTellsFailuresOfTheServiceFromThoseOfTheWay(t *testing.T) {
	servers := startEcho(t, identity{Region: "east"})
	s := load(t, "--url", "http://"+servers.http, "--header", "x-echo-status=503", "--count", "2", "--rate", "100")
	if s.OK != 0 || s.Statuses["503"] != 2 || s.FailedRegions["east"] != 2 || s.FirstFailure == nil {
		t.Errorf("503: %+v", s)
	}
	s = load(t, "--url", "grpc://"+servers.grpc, "--header", "x-echo-status=403", "--count", "1")
	if s.Statuses["PermissionDenied"] != 1 {
		t.Errorf("gRPC: %+v", s)
	}
	s = load(t, "--url", "http://"+servers.http, "--header", "x-echo-delay=2s", "--timeout", "50ms", "--count", "1")
	if s.Errors["timeout"] != 1 {
		t.Errorf("slow: %+v", s)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	if s = load(t, "--url", "http://"+closed.Addr().String(), "--count", "1"); s.Errors["refused"] != 1 {
		t.Errorf("nobody there: %+v", s)
	}
}

func TestLoadEndsWhenTheFileAppears(t *testing.T) {
	server := httptest.NewServer((&echo{}).httpHandler())
	defer server.Close()
	file := filepath.Join(t.TempDir(), "stop")
	time.AfterFunc(50*time.Millisecond, func() { _ = os.WriteFile(file, nil, 0o600) })
	s := load(t, "--url", server.URL, "--duration", "20s", "--until-file", file)
	if s.Ended != "file" || s.ElapsedMS > 5000 {
		t.Errorf("ended by %s after %v ms", s.Ended, s.ElapsedMS)
	}
}

func TestLoadRefusesWhatItCannotRun(t *testing.T) {
	for _, arguments := range [][]string{
		{"--url", "ftp://host"}, {"--url", "tcp://host"}, {"--url", "http://host", "--rate", "5000"},
		{"--url", "https://host", "--cacert", "/nowhere"}, {"--url", "https://host", "--client-cert", "/only-one"},
	} {
		if err := runLoad(context.Background(), arguments, &bytes.Buffer{}); err == nil {
			t.Errorf("%v ran", arguments)
		}
	}
}
