package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"testing"

	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	accesslogpb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	alspb "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	tracepb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	spanpb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func questions[T any](t *testing.T, s *sink, path string) selection[T] {
	t.Helper()
	var answer selection[T]
	if err := json.Unmarshal(ask(t, s.handler(), "GET", path, "").Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func text(value string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}
}

func traces() *tracepb.ExportTraceServiceRequest {
	return &tracepb.ExportTraceServiceRequest{ResourceSpans: []*spanpb.ResourceSpans{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: "service.name", Value: text("web")}}},
		ScopeSpans: []*spanpb.ScopeSpans{{Spans: []*spanpb.Span{{
			TraceId: []byte{0xab}, SpanId: []byte{1}, Name: "GET /", Kind: spanpb.Span_SPAN_KIND_SERVER,
			StartTimeUnixNano: 1_000_000, EndTimeUnixNano: 3_000_000,
			Attributes: []*commonpb.KeyValue{
				{Key: "x-request-id", Value: text("r1")},
				{Key: "http.status_code", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 200}}},
			},
		}}}},
	}}}
}

func TestSinkTakesSpansOfZipkinAndOTLP(t *testing.T) {
	s := &sink{}
	zipkin := `[{"traceId":"cd","id":"2","parentId":"1","name":"x","kind":"CLIENT","timestamp":1000,"duration":2500,
		"localEndpoint":{"serviceName":"api"},"tags":{"node_id":"n"}}]`
	if w := ask(t, s.zipkinHandler(), "POST", "/api/v2/spans", zipkin); w.Code != 202 {
		t.Fatal(w.Code, w.Body)
	}
	body, err := proto.Marshal(traces())
	if err != nil {
		t.Fatal(err)
	}
	if w := ask(t, s.otlpHandler(), "POST", "/v1/traces", string(body)); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	one := questions[span](t, s, "/spans?trace=cd").Records[0]
	if one.Service != "api" || one.DurationMS != 2.5 || one.ParentID != "1" || one.Attributes["node_id"] != "n" {
		t.Errorf("zipkin: %+v", one)
	}
	other := questions[span](t, s, "/spans?service=web").Records[0]
	if other.TraceID != "ab" || other.Kind != "SERVER" || other.DurationMS != 2 || other.Attributes["x-request-id"] != "r1" {
		t.Errorf("otlp: %+v", other)
	}
	ask(t, s.handler(), "POST", "/reset", "")
	if left := questions[span](t, s, "/spans"); left.Total != 0 {
		t.Errorf("%d spans after the reset", left.Total)
	}
}

func TestSinkTakesTracesAndAccessLogsByGRPC(t *testing.T) {
	s := &sink{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	s.register(server)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	channel, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer channel.Close()
	const export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	if err := channel.Invoke(context.Background(), export, traces(), &tracepb.ExportTraceServiceResponse{}); err != nil {
		t.Fatal(err)
	}
	if got := questions[span](t, s, "/spans"); got.Total != 1 {
		t.Errorf("%d spans", got.Total)
	}

	stream, err := alspb.NewAccessLogServiceClient(channel).StreamAccessLogs(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	entry := &accesslogpb.HTTPAccessLogEntry{
		CommonProperties: &accesslogpb.AccessLogCommon{
			UpstreamCluster: "outbound|8080||exam", ResponseFlags: &accesslogpb.ResponseFlags{NoHealthyUpstream: true},
		},
		Request:  &accesslogpb.HTTPRequestProperties{Authority: "exam", Path: "/p", RequestMethod: corepb.RequestMethod_GET},
		Response: &accesslogpb.HTTPResponseProperties{ResponseCode: wrapperspb.UInt32(http.StatusServiceUnavailable)},
	}
	messages := []*alspb.StreamAccessLogsMessage{
		{Identifier: &alspb.StreamAccessLogsMessage_Identifier{LogName: "mesh", Node: &corepb.Node{Id: "sidecar~1"}}},
		{LogEntries: &alspb.StreamAccessLogsMessage_HttpLogs{HttpLogs: &alspb.StreamAccessLogsMessage_HTTPAccessLogEntries{
			LogEntry: []*accesslogpb.HTTPAccessLogEntry{entry},
		}}},
	}
	for _, message := range messages {
		if err := stream.Send(message); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
	got := questions[record](t, s, "/logs?path=/p")
	if got.Total != 1 {
		t.Fatalf("%d records", got.Total)
	}
	one := got.Records[0]
	if one.Node != "sidecar~1" || one.Log != "mesh" || one.Status != 503 || one.Method != "GET" ||
		one.UpstreamCluster != "outbound|8080||exam" || len(one.ResponseFlags) != 1 || one.ResponseFlags[0] != "no_healthy_upstream" {
		t.Errorf("%+v", one)
	}
}

func TestSinkKeepsTheNewestAndSaysWhatItDropped(t *testing.T) {
	var s store[int]
	for i := range mostRecords + 5 {
		s.add(i)
	}
	got := s.choose(func(int) bool { return true }, 2)
	if got.Total != mostRecords || got.Dropped != 5 || got.Records[1] != mostRecords+4 || len(got.Records) != 2 {
		t.Errorf("total %d, dropped %d, newest %v", got.Total, got.Dropped, got.Records)
	}
}

func TestSinkRefusesWhatItCannotRead(t *testing.T) {
	s := &sink{}
	if w := ask(t, s.zipkinHandler(), "POST", "/api/v2/spans", "{"); w.Code != 400 {
		t.Error(w.Code)
	}
	if w := ask(t, s.otlpHandler(), "POST", "/v1/logs", string(bytes.Repeat([]byte{0xff}, 4))); w.Code != 400 {
		t.Error(w.Code)
	}
	if w := ask(t, s.handler(), "GET", "/spans?limit=x", ""); w.Code != 400 {
		t.Error(w.Code)
	}
}
