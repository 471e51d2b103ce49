package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

// The gRPC service is registered by hand on google.protobuf.Struct, which needs no generated code.
const (
	echoService = "lab.Echo"
	echoMethod  = "/lab.Echo/Echo"
)

// idleConnection ends TCP connections that nobody uses any more.
const idleConnection = 10 * time.Minute

// codeOf translates an HTTP status as gRPC's own table of HTTP statuses does (grpc/doc/http-grpc-status-mapping.md).
func codeOf(httpStatus int) codes.Code {
	switch httpStatus {
	case 0, http.StatusOK:
		return codes.OK
	case http.StatusBadRequest:
		return codes.Internal
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.Unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return codes.Unavailable
	default:
		return codes.Unknown
	}
}

func (e *echo) echoCall(ctx context.Context, in *structpb.Struct) (*structpb.Struct, error) {
	received, _ := metadata.FromIncomingContext(ctx)
	headers := make(map[string]string, len(received))
	for name, values := range received {
		headers[name] = strings.Join(values, ", ")
	}
	caller := callerIdentity(headers["x-forwarded-client-cert"])
	m, err := e.modeFor(headers["x-echo-status"], headers["x-echo-delay"])
	if err != nil {
		e.requests.add("grpc", codes.InvalidArgument.String(), echoMethod, caller)
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if !m.hold(ctx) {
		e.requests.add("grpc", "abandoned", echoMethod, caller)
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	code := codeOf(m.Status)
	e.requests.add("grpc", code.String(), echoMethod, caller)
	if code != codes.OK {
		return nil, status.Error(code, "asked to fail")
	}
	answer := reply{
		identity: e.who, Protocol: "gRPC", Method: echoMethod, Host: headers[":authority"], Path: echoMethod,
		Headers: headers,
	}
	if from, known := peer.FromContext(ctx); known {
		answer.Peer = from.Addr.String()
	}
	if text, found := in.GetFields()["body"]; found {
		answer.Body = text.GetStringValue()
	}
	return toStruct(answer)
}

func toStruct(value any) (*structpb.Struct, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	out := &structpb.Struct{}
	return out, out.UnmarshalJSON(data)
}

func (e *echo) grpcService(listener net.Listener) service {
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: echoService,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Echo",
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				in := &structpb.Struct{}
				if err := decode(in); err != nil {
					return nil, err
				}
				return e.echoCall(ctx, in)
			},
		}},
	}, e)
	return grpcServerService("grpc", server, listener)
}

func grpcServerService(name string, server *grpc.Server, listener net.Listener) service {
	return service{
		name:  name,
		serve: func() error { return server.Serve(listener) },
		stop: func(ctx context.Context) {
			done := make(chan struct{})
			go func() { server.GracefulStop(); close(done) }()
			select {
			case <-done:
			case <-ctx.Done():
				server.Stop()
			}
		},
	}
}

// tcpService greets every connection with one JSON line of identity and peer, then repeats the lines it receives.
func (e *echo) tcpService(listener net.Listener) service {
	var mu sync.Mutex
	open := map[net.Conn]struct{}{}
	return service{
		name: "tcp",
		serve: func() error {
			for {
				connection, err := listener.Accept()
				if err != nil {
					return err
				}
				mu.Lock()
				open[connection] = struct{}{}
				mu.Unlock()
				go func() {
					e.serveTCP(connection)
					_ = connection.Close()
					mu.Lock()
					delete(open, connection)
					mu.Unlock()
				}()
			}
		},
		stop: func(context.Context) {
			_ = listener.Close()
			mu.Lock()
			defer mu.Unlock()
			// A conversation by lines has no end of its own to wait for.
			for connection := range open {
				_ = connection.Close()
			}
		},
	}
}

func (e *echo) serveTCP(connection net.Conn) {
	m := e.currentMode()
	if m.Hang {
		e.requests.add("tcp", "hang", "", "")
		_, _ = io.Copy(io.Discard, connection)
		return
	}
	time.Sleep(time.Duration(m.Delay))
	if m.Status >= http.StatusBadRequest {
		e.requests.add("tcp", "closed", "", "")
		return
	}
	e.requests.add("tcp", "ok", "", "")
	greeting := struct {
		identity
		Protocol string `json:"protocol"`
		Peer     string `json:"peer"`
	}{e.who, "TCP", connection.RemoteAddr().String()}
	if printJSON(connection, greeting) != nil {
		return
	}
	lines := bufio.NewReaderSize(connection, largestEcho)
	for {
		_ = connection.SetReadDeadline(time.Now().Add(idleConnection))
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			if _, failed := connection.Write(line); failed != nil {
				return
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
