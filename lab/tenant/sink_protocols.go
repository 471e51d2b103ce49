package main

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"time"

	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	accesslogpb "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	alspb "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	logspb "go.opentelemetry.io/proto/slim/otlp/collector/logs/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// zipkinSpan is a span of Zipkin's API v2; times are microseconds.
type zipkinSpan struct {
	TraceID       string            `json:"traceId"`
	ID            string            `json:"id"`
	ParentID      string            `json:"parentId"`
	Name          string            `json:"name"`
	Kind          string            `json:"kind"`
	Timestamp     int64             `json:"timestamp"`
	Duration      int64             `json:"duration"`
	LocalEndpoint map[string]any    `json:"localEndpoint"`
	Tags          map[string]string `json:"tags"`
}

func (z zipkinSpan) span() span {
	from, _ := z.LocalEndpoint["serviceName"].(string)
	return span{
		Protocol: "zipkin", TraceID: z.TraceID, SpanID: z.ID, ParentID: z.ParentID, Name: z.Name, Kind: z.Kind, Service: from,
		Start: time.UnixMicro(z.Timestamp).UTC(), DurationMS: float64(z.Duration) / 1000, Attributes: z.Tags,
	}
}

func (s *sink) addTraces(request *tracepb.ExportTraceServiceRequest) {
	for _, resource := range request.GetResourceSpans() {
		shared := attributesOf(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeSpans() {
			for _, one := range scope.GetSpans() {
				s.spans.add(span{
					Protocol: "otlp", TraceID: hex.EncodeToString(one.GetTraceId()), SpanID: hex.EncodeToString(one.GetSpanId()),
					ParentID: hex.EncodeToString(one.GetParentSpanId()), Name: one.GetName(),
					Kind:    strings.TrimPrefix(one.GetKind().String(), "SPAN_KIND_"),
					Service: shared["service.name"], Start: time.Unix(0, int64(one.GetStartTimeUnixNano())).UTC(),
					DurationMS: float64(one.GetEndTimeUnixNano()-one.GetStartTimeUnixNano()) / float64(time.Millisecond),
					Attributes: attributesOf(one.GetAttributes()),
				})
			}
		}
	}
}

func (s *sink) addLogs(request *logspb.ExportLogsServiceRequest) {
	for _, resource := range request.GetResourceLogs() {
		shared := attributesOf(resource.GetResource().GetAttributes())
		for _, scope := range resource.GetScopeLogs() {
			for _, one := range scope.GetLogRecords() {
				s.logs.add(record{
					Protocol: "otlp", Node: shared["node_name"], Log: shared["log_name"], Text: textOf(one.GetBody()),
					Time: time.Unix(0, int64(one.GetTimeUnixNano())).UTC(), Attributes: attributesOf(one.GetAttributes()),
				})
			}
		}
	}
}

func attributesOf(pairs []*commonpb.KeyValue) map[string]string {
	attributes := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		attributes[pair.GetKey()] = textOf(pair.GetValue())
	}
	return attributes
}

func textOf(value *commonpb.AnyValue) string {
	if text, is := value.GetValue().(*commonpb.AnyValue_StringValue); is {
		return text.StringValue
	}
	// Numbers, lists and maps keep OTLP's own JSON form.
	data, err := protojson.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func (s *sink) addHTTP(node, name string, entry *accesslogpb.HTTPAccessLogEntry) {
	r := common(entry.GetCommonProperties())
	r.Protocol, r.Node, r.Log = "als-http", node, name
	r.Method = entry.GetRequest().GetRequestMethod().String()
	r.Authority, r.Path = entry.GetRequest().GetAuthority(), entry.GetRequest().GetPath()
	r.Status = entry.GetResponse().GetResponseCode().GetValue()
	r.Attributes = entry.GetRequest().GetRequestHeaders()
	s.logs.add(r)
}

func (s *sink) addTCP(node, name string, entry *accesslogpb.TCPAccessLogEntry) {
	r := common(entry.GetCommonProperties())
	r.Protocol, r.Node, r.Log = "als-tcp", node, name
	s.logs.add(r)
}

func common(p *accesslogpb.AccessLogCommon) record {
	r := record{
		Time: p.GetStartTime().AsTime(), ResponseFlags: []string{}, DownstreamPeer: []string{},
		Downstream: addressOf(p.GetDownstreamRemoteAddress()), Upstream: addressOf(p.GetUpstreamRemoteAddress()),
		UpstreamCluster: p.GetUpstreamCluster(),
	}
	for _, name := range p.GetTlsProperties().GetPeerCertificateProperties().GetSubjectAltName() {
		if uri := name.GetUri(); uri != "" {
			r.DownstreamPeer = append(r.DownstreamPeer, uri)
		}
	}
	p.GetResponseFlags().ProtoReflect().Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		r.ResponseFlags = append(r.ResponseFlags, string(field.Name()))
		return true
	})
	return r
}

func addressOf(address *corepb.Address) string {
	if socket := address.GetSocketAddress(); socket != nil {
		return socket.GetAddress()
	}
	return address.GetPipe().GetPath()
}

// streamAccessLogs takes one proxy's stream; only its first message names the proxy and the log.
func (s *sink) streamAccessLogs(stream grpc.ServerStream) error {
	var node, name string
	for {
		message := &alspb.StreamAccessLogsMessage{}
		err := stream.RecvMsg(message)
		if errors.Is(err, io.EOF) {
			return stream.SendMsg(&alspb.StreamAccessLogsResponse{})
		}
		if err != nil {
			return err
		}
		if identifier := message.GetIdentifier(); identifier != nil {
			node, name = identifier.GetNode().GetId(), identifier.GetLogName()
		}
		for _, entry := range message.GetHttpLogs().GetLogEntry() {
			s.addHTTP(node, name, entry)
		}
		for _, entry := range message.GetTcpLogs().GetLogEntry() {
			s.addTCP(node, name, entry)
		}
	}
}

// register adds the collectors by their wire names: the generated services of OTLP would bring an HTTP gateway along.
func (s *sink) register(server *grpc.Server) {
	unary := func(service string, method grpc.MethodDesc) {
		server.RegisterService(&grpc.ServiceDesc{
			ServiceName: service, HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{method},
		}, s)
	}
	unary("opentelemetry.proto.collector.trace.v1.TraceService", grpc.MethodDesc{
		MethodName: "Export",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			received := &tracepb.ExportTraceServiceRequest{}
			if err := decode(received); err != nil {
				return nil, err
			}
			s.addTraces(received)
			return &tracepb.ExportTraceServiceResponse{}, nil
		},
	})
	unary("opentelemetry.proto.collector.logs.v1.LogsService", grpc.MethodDesc{
		MethodName: "Export",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			received := &logspb.ExportLogsServiceRequest{}
			if err := decode(received); err != nil {
				return nil, err
			}
			s.addLogs(received)
			return &logspb.ExportLogsServiceResponse{}, nil
		},
	})
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "envoy.service.accesslog.v3.AccessLogService", HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName:    "StreamAccessLogs",
			ClientStreams: true,
			Handler:       func(_ any, stream grpc.ServerStream) error { return s.streamAccessLogs(stream) },
		}},
	}, s)
}
