package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	logspb "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// mostRecords bounds each of the sink's two stores; the oldest records go first.
const mostRecords = 20000

// span is a span of any of the protocols. Times are those of the sender.
type span struct {
	Protocol   string            `json:"protocol"` // zipkin or otlp
	TraceID    string            `json:"trace_id"`
	SpanID     string            `json:"span_id"`
	ParentID   string            `json:"parent_id"`
	Name       string            `json:"name"`
	Kind       string            `json:"kind"`
	Service    string            `json:"service"`
	Start      time.Time         `json:"start"`
	DurationMS float64           `json:"duration_ms"`
	Attributes map[string]string `json:"attributes"`
}

// record is one access log entry; Text is what the proxy's format made of it, where it has one.
type record struct {
	Protocol        string            `json:"protocol"` // als-http, als-tcp or otlp
	Node            string            `json:"node"`
	Log             string            `json:"log"`
	Time            time.Time         `json:"time"`
	Method          string            `json:"method"`
	Authority       string            `json:"authority"`
	Path            string            `json:"path"`
	Status          uint32            `json:"status"`
	ResponseFlags   []string          `json:"response_flags"`
	Downstream      string            `json:"downstream"`
	DownstreamPeer  []string          `json:"downstream_peer"`
	Upstream        string            `json:"upstream"`
	UpstreamCluster string            `json:"upstream_cluster"`
	Text            string            `json:"text"`
	Attributes      map[string]string `json:"attributes"`
}

// store keeps the newest records.
type store[T any] struct {
	mu      sync.Mutex
	records []T
	dropped int
}

func (s *store[T]) add(records ...T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, records...)
	if excess := len(s.records) - mostRecords; excess > 0 {
		s.records = append([]T(nil), s.records[excess:]...)
		s.dropped += excess
	}
}

func (s *store[T]) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records, s.dropped = nil, 0
}

// selection is a page of a store: total counts all records that match, dropped those that the bound pushed out.
type selection[T any] struct {
	Total   int `json:"total"`
	Dropped int `json:"dropped"`
	Records []T `json:"records"`
}

// choose gives the newest limit records that match, oldest first.
func (s *store[T]) choose(matches func(T) bool, limit int) selection[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	chosen := selection[T]{Dropped: s.dropped, Records: []T{}}
	for _, r := range s.records {
		if matches(r) {
			chosen.Records = append(chosen.Records, r)
		}
	}
	chosen.Total = len(chosen.Records)
	if limit > 0 && chosen.Total > limit {
		chosen.Records = chosen.Records[chosen.Total-limit:]
	}
	return chosen
}

type sink struct {
	spans store[span]
	logs  store[record]
	ready atomic.Bool
}

// handler answers questions: GET /spans?trace=&service=&limit=, GET /logs?path=&authority=&limit=, POST /reset.
func (s *sink) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", health(&s.ready))
	mux.HandleFunc("GET /spans", func(w http.ResponseWriter, r *http.Request) {
		trace, from := r.FormValue("trace"), r.FormValue("service")
		limit, err := limitOf(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		respond(w, http.StatusOK, s.spans.choose(func(one span) bool {
			return (trace == "" || one.TraceID == trace) && (from == "" || one.Service == from)
		}, limit))
	})
	mux.HandleFunc("GET /logs", func(w http.ResponseWriter, r *http.Request) {
		path, authority := r.FormValue("path"), r.FormValue("authority")
		limit, err := limitOf(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		respond(w, http.StatusOK, s.logs.choose(func(one record) bool {
			return (path == "" || one.Path == path) && (authority == "" || one.Authority == authority)
		}, limit))
	})
	mux.HandleFunc("POST /reset", func(w http.ResponseWriter, _ *http.Request) {
		s.spans.reset()
		s.logs.reset()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func limitOf(r *http.Request) (int, error) {
	text := r.FormValue("limit")
	if text == "" {
		return 0, nil
	}
	return strconv.Atoi(text)
}

// zipkinHandler takes spans as Zipkin's API v2 has them.
func (s *sink) zipkinHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v2/spans", func(w http.ResponseWriter, r *http.Request) {
		body, err := bodyOf(w, r)
		var received []zipkinSpan
		if err == nil {
			err = json.Unmarshal(body, &received)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, one := range received {
			s.spans.add(one.span())
		}
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

// otlpHandler takes OTLP over HTTP in its binary form, which is the one that Envoy sends.
func (s *sink) otlpHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		received := &tracepb.ExportTraceServiceRequest{}
		if s.decode(w, r, received) {
			s.addTraces(received)
			answerProto(w, &tracepb.ExportTraceServiceResponse{})
		}
	})
	mux.HandleFunc("POST /v1/logs", func(w http.ResponseWriter, r *http.Request) {
		received := &logspb.ExportLogsServiceRequest{}
		if s.decode(w, r, received) {
			s.addLogs(received)
			answerProto(w, &logspb.ExportLogsServiceResponse{})
		}
	})
	return mux
}

func (s *sink) decode(w http.ResponseWriter, r *http.Request, message proto.Message) bool {
	body, err := bodyOf(w, r)
	if err == nil {
		err = proto.Unmarshal(body, message)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return err == nil
}

func answerProto(w http.ResponseWriter, message proto.Message) {
	data, err := proto.Marshal(message)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("content-type", "application/x-protobuf")
	_, _ = w.Write(data)
}

func bodyOf(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var in io.Reader = http.MaxBytesReader(w, r.Body, largestBody)
	if r.Header.Get("content-encoding") == "gzip" {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		in = io.LimitReader(unpacked, largestBody)
	}
	return io.ReadAll(in)
}

func runSink(ctx context.Context, arguments []string, _ io.Writer) error {
	flags := flag.NewFlagSet("sink", flag.ContinueOnError)
	questions := flags.String("address", ":8080", "address to answer questions at")
	zipkin := flags.String("zipkin", ":9411", "address to take Zipkin's spans at")
	otlpHTTP := flags.String("otlp-http", ":4318", "address to take OTLP over HTTP at")
	otlpGRPC := flags.String("otlp-grpc", ":4317", "address to take OTLP and Envoy's access logs by gRPC at")
	grace := flags.Duration("drain", time.Second, "how long to serve on after being asked to stop")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	s := &sink{}
	listeners := make([]net.Listener, 0, 4)
	for _, address := range []string{*questions, *zipkin, *otlpHTTP, *otlpGRPC} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		listeners = append(listeners, listener)
	}
	log.Printf("sink: questions %s, zipkin %s, otlp http %s, otlp grpc %s", listeners[0].Addr(), listeners[1].Addr(),
		listeners[2].Addr(), listeners[3].Addr())
	server := grpc.NewServer()
	s.register(server)
	return runServices(ctx, &s.ready, *grace,
		httpService("questions", listeners[0], s.handler()),
		httpService("zipkin", listeners[1], s.zipkinHandler()),
		httpService("otlp-http", listeners[2], s.otlpHandler()),
		grpcServerService("otlp-grpc", server, listeners[3]),
	)
}
