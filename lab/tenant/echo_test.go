package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

type echoAddresses struct{ http, grpc, tcp, control string }

// startEcho serves all four protocols until the test ends.
func startEcho(t *testing.T, who identity) echoAddresses {
	t.Helper()
	e := &echo{who: who}
	listeners := make([]net.Listener, 4)
	for i := range listeners {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[i] = listener
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- runServices(ctx, &e.ready, 0, httpService("http", listeners[0], e.httpHandler()), e.grpcService(listeners[1]),
			e.tcpService(listeners[2]), httpService("control", listeners[3], e.controlHandler()))
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return echoAddresses{
		listeners[0].Addr().String(), listeners[1].Addr().String(), listeners[2].Addr().String(), listeners[3].Addr().String(),
	}
}

func ask(t *testing.T, handler http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func TestEchoSaysWhoItIsAndWhatItSaw(t *testing.T) {
	e := &echo{who: identity{Service: "exam", Version: "v1", Region: "east", Zone: "a", Pod: "p"}}
	w := ask(t, e.httpHandler(), "PUT", "http://exam-service:8080/exam?q=1", "hello", "X-Test", "yes")
	var got reply
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.identity != e.who || got.Method != "PUT" || got.Host != "exam-service:8080" || got.Path != "/exam" ||
		got.Query != "q=1" || got.Headers["x-test"] != "yes" || got.Body != "hello" || got.Peer == "" {
		t.Errorf("%+v", got)
	}
}

func TestARequestCanAskToFailAndToWait(t *testing.T) {
	e := &echo{}
	started := time.Now()
	w := ask(t, e.httpHandler(), "GET", "/", "", "x-echo-status", "503", "x-echo-delay", "30ms")
	if w.Code != 503 || time.Since(started) < 30*time.Millisecond {
		t.Errorf("status %d after %s", w.Code, time.Since(started))
	}
	if code := ask(t, e.httpHandler(), "GET", "/", "").Code; code != 200 {
		t.Errorf("the next request got %d: one request's wish must not outlive it", code)
	}
	for _, headers := range [][]string{{"x-echo-status", "99"}, {"x-echo-status", "no"}, {"x-echo-delay", "soon"}} {
		if code := ask(t, e.httpHandler(), "GET", "/", "", headers...).Code; code != 400 {
			t.Errorf("%v: %d; want 400", headers, code)
		}
	}
}

func TestAPodToldToFailStaysReady(t *testing.T) {
	e := &echo{}
	e.ready.Store(true)
	if w := ask(t, e.controlHandler(), "POST", "/mode", `{"status":500,"delay":"10ms"}`); w.Code != 200 {
		t.Fatalf("mode refused: %s", w.Body)
	}
	if code := ask(t, e.httpHandler(), "GET", "/any", "").Code; code != 500 {
		t.Errorf("status %d; want 500", code)
	}
	for name, handler := range map[string]http.Handler{"http": e.httpHandler(), "control": e.controlHandler()} {
		if code := ask(t, handler, "GET", "/healthz", "").Code; code != 200 {
			t.Errorf("%s: healthz %d while told to fail", name, code)
		}
	}
	if code := ask(t, e.httpHandler(), "GET", "/", "", "x-echo-status", "200").Code; code != 200 {
		t.Errorf("a request's own wish gave %d; it goes before the pod's mode", code)
	}
	ask(t, e.controlHandler(), "POST", "/reset", "")
	if code := ask(t, e.httpHandler(), "GET", "/", "").Code; code != 200 {
		t.Errorf("status %d after the reset", code)
	}
}

func TestBadModesAreRefused(t *testing.T) {
	e := &echo{}
	for _, body := range []string{`{"status":700}`, `{"delay":"-1s"}`, `{"delay":5}`, `{"staus":503}`, `{`} {
		if code := ask(t, e.controlHandler(), "POST", "/mode", body).Code; code != 400 {
			t.Errorf("%s: %d; want 400", body, code)
		}
	}
	if e.currentMode() != (mode{}) {
		t.Errorf("a refused mode took effect: %+v", e.currentMode())
	}
}

func TestAHangingPodAnswersNothingUntilTheCallerLeaves(t *testing.T) {
	servers := startEcho(t, identity{})
	if r, err := http.Post("http://"+servers.control+"/mode", "", strings.NewReader(`{"hang":true}`)); err != nil || r.StatusCode != 200 {
		t.Fatal(err, r)
	}
	for _, target := range []string{"http://" + servers.http, "grpc://" + servers.grpc, "tcp://" + servers.tcp} {
		if s := load(t, "--url", target, "--count", "1", "--timeout", "60ms"); s.Errors["timeout"] != 1 {
			t.Errorf("%s: %+v", target, s)
		}
	}
}

func TestCountersTellProtocolsStatusesAndCallersApart(t *testing.T) {
	e := &echo{}
	certificate := "By=spiffe://d/ns/exam/sa/exam;Hash=1,By=x;Hash=2;Subject=\"\";URI=spiffe://d/ns/exam/sa/web"
	ask(t, e.httpHandler(), "GET", "/a", "", "x-forwarded-client-cert", certificate)
	ask(t, e.httpHandler(), "GET", "/b", "", "x-echo-status", "404")
	got := e.requests.snapshot()
	if got.Total != 2 || got.Protocols["http"] != 2 || got.Statuses["404"] != 1 || got.Paths["/a"] != 1 {
		t.Errorf("%+v", got)
	}
	if got.Callers["spiffe://d/ns/exam/sa/web"] != 1 || len(got.Callers) != 1 {
		t.Errorf("callers %v: the last hop's identity is the caller", got.Callers)
	}
}

func TestCountersStayBounded(t *testing.T) {
	var c counters
	for i := range 3 * mostKeys {
		c.add("http", "200", strings.Repeat("/", i+1), "")
	}
	if got := c.snapshot(); len(got.Paths) != mostKeys+1 || got.Total != 3*mostKeys {
		t.Errorf("%d paths, %d requests", len(got.Paths), got.Total)
	}
}

func TestTCPGreetsAndRepeatsLines(t *testing.T) {
	servers := startEcho(t, identity{Region: "east"})
	connection, err := net.Dial("tcp", servers.tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	lines := bufio.NewReader(connection)
	greeting, err := lines.ReadBytes('\n')
	var who identity
	if err != nil || json.Unmarshal(greeting, &who) != nil || who.Region != "east" {
		t.Fatalf("%s, %v", greeting, err)
	}
	_, _ = io.WriteString(connection, "hello\n")
	if line, err := lines.ReadString('\n'); line != "hello\n" {
		t.Errorf("%q, %v", line, err)
	}
}

func TestADrainingServerFinishesWhatItHasAndServesOnForItsGrace(t *testing.T) {
	e := &echo{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	arrived := make(chan struct{}, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
		}
		e.httpHandler().ServeHTTP(w, r)
	})
	go func() {
		done <- runServices(ctx, &e.ready, 200*time.Millisecond, httpService("http", listener, handler))
	}()
	base := "http://" + listener.Addr().String()
	status := func(path, delay string) int {
		r, _ := http.NewRequest("GET", base+path, nil)
		r.Header.Set("x-echo-delay", delay)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	slow := make(chan int, 1)
	go func() { slow <- status("/slow", "400ms") }()
	<-arrived
	cancel()
	for e.ready.Load() {
		time.Sleep(time.Millisecond)
	}
	if got := status("/healthz", "0s"); got != 503 {
		t.Errorf("healthz %d while draining; want 503", got)
	}
	if got := status("/", "0s"); got != 200 {
		t.Errorf("a request within the grace got %d", got)
	}
	if got := <-slow; got != 200 {
		t.Errorf("the request in flight got %d", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
