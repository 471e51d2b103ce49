package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// pairs collects a repeatable NAME=VALUE flag.
type pairs []string

func (p *pairs) String() string { return strings.Join(*p, " ") }

func (p *pairs) Set(text string) error {
	if name, _, found := strings.Cut(text, "="); !found || name == "" {
		return fmt.Errorf("%q is not NAME=VALUE", text)
	}
	*p = append(*p, text)
	return nil
}

// resolutions sends connections for a host name to another address, as curl's --resolve does: HOST:IP or HOST:IP:PORT.
type resolutions map[string]string

func (r resolutions) String() string { return "" }

func (r resolutions) Set(text string) error {
	host, address, found := strings.Cut(text, ":")
	if !found || host == "" || address == "" {
		return fmt.Errorf("%q is not HOST:ADDRESS", text)
	}
	r[host] = address
	return nil
}

// connection says how to reach a server: the flags that load and the probes share.
type connection struct {
	timeout    time.Duration
	insecure   bool
	caCert     string
	clientCert string
	clientKey  string
	serverName string
	alpn       string
	resolve    resolutions
}

func (c *connection) register(flags *flag.FlagSet) {
	c.resolve = resolutions{}
	flags.DurationVar(&c.timeout, "timeout", 5*time.Second, "longest time for one request, connecting included")
	flags.BoolVar(&c.insecure, "insecure", false, "accept any server certificate")
	flags.StringVar(&c.caCert, "cacert", "", "PEM `file` of the roots to trust instead of the system's")
	flags.StringVar(&c.clientCert, "client-cert", "", "PEM `file` of the client certificate and its chain")
	flags.StringVar(&c.clientKey, "client-key", "", "PEM `file` of the client certificate's key")
	flags.StringVar(&c.serverName, "sni", "", "server `name` to ask for in the handshake (default: the host)")
	flags.StringVar(&c.alpn, "alpn", "", "application `protocols` to offer in the handshake, separated by commas")
	flags.Var(c.resolve, "resolve", "`HOST:ADDRESS` to connect to for a host name; repeatable")
}

// dial connects to address, or to what --resolve says of its host.
func (c *connection) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if target, found := c.resolve[host]; found {
		if _, _, err := net.SplitHostPort(target); err != nil {
			target = net.JoinHostPort(strings.Trim(target, "[]"), port)
		}
		address = target
	}
	dialer := net.Dialer{Timeout: c.timeout}
	return dialer.DialContext(ctx, network, address)
}

// tlsConfig reads the certificate files; host is the name to ask for where --sni says nothing.
func (c *connection) tlsConfig(host string) (*tls.Config, error) {
	// Proofs of refusal read the server's own words, so nothing is refused here that the flags did not ask for.
	config := &tls.Config{ServerName: host, InsecureSkipVerify: c.insecure, MinVersion: tls.VersionTLS12}
	if c.serverName != "" {
		config.ServerName = c.serverName
	}
	if c.alpn != "" {
		config.NextProtos = strings.Split(c.alpn, ",")
	}
	if c.caCert != "" {
		roots, err := readRoots(c.caCert)
		if err != nil {
			return nil, err
		}
		config.RootCAs = roots
	}
	if (c.clientCert == "") != (c.clientKey == "") {
		return nil, errors.New("--client-cert and --client-key belong together")
	}
	if c.clientCert != "" {
		pair, err := tls.LoadX509KeyPair(c.clientCert, c.clientKey)
		if err != nil {
			return nil, err
		}
		// A certificate of a foreign root must be sent even though the server's list of authorities lacks its issuer.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return config, nil
}

func readRoots(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return roots, nil
}

// transport is an HTTP client's; host is the name of the server for the handshake.
func (c *connection) transport(host string, http2, keepAlive bool, idle int) (*http.Transport, error) {
	config, err := c.tlsConfig(host)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext:         c.dial,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: c.timeout,
		DisableKeepAlives:   !keepAlive,
		DisableCompression:  true,
		MaxIdleConns:        idle,
		MaxIdleConnsPerHost: idle,
		Protocols:           new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	transport.Protocols.SetUnencryptedHTTP2(http2)
	return transport, nil
}
