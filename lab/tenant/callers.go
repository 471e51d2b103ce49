package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

// largestAnswer bounds what is read of one answer, in bytes.
const largestAnswer = 1 << 20

// answer is one reply as the accounting sees it: good is a 2xx status, OK of gRPC, or a TCP greeting.
type answer struct {
	status string
	good   bool
	from   identity
}

// caller sends one request and waits for its answer; an error means that none came.
type caller interface {
	call(ctx context.Context) (answer, error)
	close()
}

// request is what load sends again and again.
type request struct {
	target    *url.URL
	method    string
	headers   pairs
	body      string
	http2     bool
	keepAlive bool
}

// newCaller picks the protocol by the URL's scheme: http, https, grpc, grpcs or tcp.
func newCaller(c *connection, r request, concurrency int) (caller, error) {
	switch r.target.Scheme {
	case "http", "https":
		transport, err := c.transport(r.target.Hostname(), r.http2, r.keepAlive, concurrency)
		if err != nil {
			return nil, err
		}
		return &httpCaller{request: r, client: newHTTPClient(transport)}, nil
	case "grpc", "grpcs":
		return newGRPCCaller(c, r)
	case "tcp":
		if r.target.Port() == "" {
			return nil, errors.New("a tcp URL needs a port")
		}
		return &tcpCaller{connection: c, address: r.target.Host}, nil
	default:
		return nil, fmt.Errorf("scheme %q is none of http, https, grpc, grpcs, tcp", r.target.Scheme)
	}
}

func newHTTPClient(transport *http.Transport) *http.Client {
	return &http.Client{
		Transport: transport,
		// A redirect is an answer to judge, not one to follow.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type httpCaller struct {
	request request
	client  *http.Client
}

// newRequest makes the HTTP request; a header named host sets the authority.
func (r request) newRequest(ctx context.Context) (*http.Request, error) {
	out, err := http.NewRequestWithContext(ctx, r.method, r.target.String(), strings.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for _, header := range r.headers {
		name, value, _ := strings.Cut(header, "=")
		if strings.EqualFold(name, "host") {
			out.Host = value
			continue
		}
		out.Header.Add(name, value)
	}
	return out, nil
}

func (h *httpCaller) call(ctx context.Context) (answer, error) {
	out, err := h.request.newRequest(ctx)
	if err != nil {
		return answer{}, err
	}
	response, err := h.client.Do(out)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, largestAnswer))
	if err != nil {
		return answer{}, err
	}
	a := answer{status: strconv.Itoa(response.StatusCode), good: response.StatusCode/100 == 2}
	// Proxies answer in their own words: what is no identity leaves it empty.
	_ = json.Unmarshal(body, &a.from)
	return a, nil
}

func (h *httpCaller) close() { h.client.CloseIdleConnections() }

type grpcCaller struct {
	connect  func() (*grpc.ClientConn, error)
	metadata metadata.MD
	body     string
	kept     *grpc.ClientConn
}

func newGRPCCaller(c *connection, r request) (*grpcCaller, error) {
	if r.target.Port() == "" {
		return nil, errors.New("a grpc URL needs a port")
	}
	transport := insecure.NewCredentials()
	if r.target.Scheme == "grpcs" {
		config, err := c.tlsConfig(r.target.Hostname())
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(config)
	}
	g := &grpcCaller{metadata: metadata.MD{}, body: r.body}
	for _, header := range r.headers {
		name, value, _ := strings.Cut(header, "=")
		g.metadata.Append(name, value)
	}
	g.connect = func() (*grpc.ClientConn, error) {
		return grpc.NewClient("passthrough:///"+r.target.Host, grpc.WithTransportCredentials(transport), grpc.WithNoProxy(),
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
				return c.dial(ctx, "tcp", address)
			}))
	}
	if !r.keepAlive {
		return g, nil
	}
	kept, err := g.connect()
	g.kept = kept
	return g, err
}

func (g *grpcCaller) call(ctx context.Context) (answer, error) {
	channel := g.kept
	if channel == nil {
		own, err := g.connect()
		if err != nil {
			return answer{}, err
		}
		defer own.Close()
		channel = own
	}
	in := &structpb.Struct{Fields: map[string]*structpb.Value{"body": structpb.NewStringValue(g.body)}}
	out := &structpb.Struct{}
	err := channel.Invoke(metadata.NewOutgoingContext(ctx, g.metadata), echoMethod, in, out)
	if err != nil {
		code := status.Code(err)
		if code == codes.DeadlineExceeded && past(ctx) {
			return answer{}, context.DeadlineExceeded
		}
		return answer{status: code.String()}, nil
	}
	data, err := out.MarshalJSON()
	if err != nil {
		return answer{}, err
	}
	a := answer{status: codes.OK.String(), good: true}
	return a, json.Unmarshal(data, &a.from)
}

func (g *grpcCaller) close() {
	if g.kept != nil {
		_ = g.kept.Close()
	}
}

// tcpCaller opens a connection a request: TCP is balanced by connection.
type tcpCaller struct {
	connection *connection
	address    string
}

func (t *tcpCaller) call(ctx context.Context) (answer, error) {
	stream, err := t.connection.dial(ctx, "tcp", t.address)
	if err != nil {
		return answer{}, err
	}
	defer stream.Close()
	if deadline, bounded := ctx.Deadline(); bounded {
		_ = stream.SetDeadline(deadline)
	}
	greeting, err := bufio.NewReader(io.LimitReader(stream, largestAnswer)).ReadBytes('\n')
	if err != nil {
		return answer{}, err
	}
	a := answer{status: "greeted", good: true}
	return a, json.Unmarshal(greeting, &a.from)
}

func (t *tcpCaller) close() {}

// chainOf describes a server's certificates, leaf first.
func chainOf(state *tls.ConnectionState) []peerCertificate {
	chain := make([]peerCertificate, 0, len(state.PeerCertificates))
	for _, c := range state.PeerCertificates {
		names := append([]string{}, c.DNSNames...)
		for _, uri := range c.URIs {
			names = append(names, uri.String())
		}
		for _, address := range c.IPAddresses {
			names = append(names, address.String())
		}
		chain = append(chain, peerCertificate{
			Subject: c.Subject.String(), Issuer: c.Issuer.String(), SANs: names, Serial: c.SerialNumber.Text(16),
			NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		})
	}
	return chain
}

// past says whether the caller's own time is over, by the clock: the other side knows the deadline too, and on a busy
// machine its answer arrives before the caller's timer has been heard. A proxy that gave up earlier is an answer.
func past(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return limited && !time.Now().Before(deadline)
}
