package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/url"
	"os"
	"time"
)

// settling is how long a handshake is watched afterwards: in TLS 1.3 the server refuses a client certificate only after
// the client has finished, so a refusal comes as an alert on the first read.
const settling = 500 * time.Millisecond

type peerCertificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	SANs      []string  `json:"sans"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

type tlsState struct {
	Version string            `json:"version"`
	ALPN    string            `json:"alpn"`
	Peer    []peerCertificate `json:"peer"`
}

func stateOf(state *tls.ConnectionState) *tlsState {
	if state == nil {
		return nil
	}
	return &tlsState{Version: tls.VersionName(state.Version), ALPN: state.NegotiatedProtocol, Peer: chainOf(state)}
}

// got is the outcome of `tenant get`; JSON is the body again where it is JSON.
type got struct {
	Status     int               `json:"status"`
	Protocol   string            `json:"protocol,omitempty"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
	JSON       json.RawMessage   `json:"json,omitempty"`
	TLS        *tlsState         `json:"tls"`
	Error      *fault            `json:"error"`
	DurationMS float64           `json:"duration_ms"`
}

func runGet(ctx context.Context, arguments []string, out io.Writer) error {
	flags := flag.NewFlagSet("get", flag.ContinueOnError)
	var c connection
	var r request
	c.register(flags)
	address := flags.String("url", "", "http or https `URL`")
	flags.StringVar(&r.method, "method", "GET", "HTTP method")
	flags.StringVar(&r.body, "data", "", "body to send")
	flags.Var(&r.headers, "header", "`NAME=VALUE` to send; repeatable")
	flags.BoolVar(&r.http2, "http2", false, "speak HTTP/2, without TLS too")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	target, err := url.Parse(*address)
	if err != nil {
		return err
	}
	if target.Scheme != "http" && target.Scheme != "https" {
		return errors.New("--url needs an http or https URL")
	}
	r.target = target
	transport, err := c.transport(target.Hostname(), r.http2, false, 1)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	wanted, err := r.newRequest(bounded)
	if err != nil {
		return err
	}
	started := time.Now()
	result := got{Headers: map[string]string{}}
	response, err := newHTTPClient(transport).Do(wanted)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(io.LimitReader(response.Body, largestAnswer))
		_ = response.Body.Close()
		result.Status, result.Protocol = response.StatusCode, response.Proto
		result.Headers, result.Body, result.TLS = flatten(response.Header), string(body), stateOf(response.TLS)
		if json.Valid(body) {
			result.JSON = body
		}
	}
	result.Error = faultOf(err)
	result.DurationMS = milliseconds(time.Since(started))
	return printJSON(out, result)
}

// probed is the outcome of `tenant tls` and `tenant tcp`.
type probed struct {
	Connected bool `json:"connected"`
	// Accepted: the handshake ended well and no alert followed it.
	Accepted *bool     `json:"accepted,omitempty"`
	Verified *bool     `json:"verified,omitempty"`
	TLS      *tlsState `json:"tls,omitempty"`
	Received string    `json:"received"`
	// Closed: the other side ended the connection while it was being read.
	Closed bool   `json:"closed"`
	Error  *fault `json:"error"`
}

func runTLS(ctx context.Context, arguments []string, out io.Writer) error {
	flags := flag.NewFlagSet("tls", flag.ContinueOnError)
	var c connection
	c.register(flags)
	address := flags.String("address", "", "`HOST:PORT` to connect to")
	send := flags.String("send", "", "text to send after the handshake")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(*address)
	if err != nil {
		return err
	}
	config, err := c.tlsConfig(host)
	if err != nil {
		return err
	}
	// Certificates of the mesh name a SPIFFE identity and no host: the chain is checked here and reported, so that
	// the handshake itself shows only what the server does.
	config.InsecureSkipVerify = true
	var result probed
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	raw, err := c.dial(bounded, "tcp", *address)
	if err != nil {
		result.Error = faultOf(err)
		return printJSON(out, result)
	}
	defer raw.Close()
	result.Connected = true
	accepted := false
	result.Accepted = &accepted
	secured := tls.Client(raw, config)
	if err := secured.HandshakeContext(bounded); err != nil {
		result.Error = faultOf(err)
		return printJSON(out, result)
	}
	state := secured.ConnectionState()
	result.TLS = stateOf(&state)
	if config.RootCAs != nil {
		verified := verifyChain(state.PeerCertificates, config.RootCAs) == nil
		result.Verified = &verified
	}
	err = result.exchange(secured, *send, settling)
	accepted = err == nil
	result.Error = faultOf(err)
	return printJSON(out, result)
}

func verifyChain(chain []*x509.Certificate, roots *x509.CertPool) error {
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

func runTCP(ctx context.Context, arguments []string, out io.Writer) error {
	flags := flag.NewFlagSet("tcp", flag.ContinueOnError)
	var c connection
	c.register(flags)
	address := flags.String("address", "", "`HOST:PORT` to connect to")
	send := flags.String("send", "", "text to send")
	listen := flags.Duration("listen", settling, "how long to read what comes back")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(*address); err != nil {
		return err
	}
	var result probed
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	stream, err := c.dial(bounded, "tcp", *address)
	if err == nil {
		defer stream.Close()
		result.Connected = true
		err = result.exchange(stream, *send, *listen)
	}
	result.Error = faultOf(err)
	return printJSON(out, result)
}

// exchange sends text and reads until the other side closes or the time is over; silence is no fault.
func (p *probed) exchange(stream net.Conn, text string, listen time.Duration) error {
	_ = stream.SetDeadline(time.Now().Add(listen))
	if text != "" {
		if _, err := io.WriteString(stream, text); err != nil {
			return err
		}
	}
	received, err := io.ReadAll(io.LimitReader(stream, largestAnswer))
	p.Received = string(received)
	if err == nil {
		p.Closed = true
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}
