package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, _ := x509.ParseCertificate(der)
	return authority{certificate, key}
}

// issue gives a certificate of a workload and the files that hold it and its key.
func (a authority) issue(t *testing.T, spiffe string) (tls.Certificate, string, string) {
	t.Helper()
	uri, _ := url.Parse(spiffe)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(255), URIs: []*url.URL{uri}, NotAfter: time.Now().Add(time.Hour),
		DNSNames:    []string{"exam-platform.com"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, _ := x509.MarshalPKCS8PrivateKey(key)
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	pair, err := tls.X509KeyPair(chain, secret)
	if err != nil {
		t.Fatal(err)
	}
	return pair, file(t, chain), file(t, secret)
}

func (a authority) file(t *testing.T) string {
	return file(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}))
}

func file(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func probe[T any](t *testing.T, run func(context.Context, []string, io.Writer) error, arguments ...string) T {
	t.Helper()
	var out bytes.Buffer
	if err := run(context.Background(), arguments, &out); err != nil {
		t.Fatal(err)
	}
	var result T
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	return result
}

func TestTLSProbeTellsAnAcceptedClientCertificateFromARefusedOne(t *testing.T) {
	ours, foreign := newAuthority(t, "ours"), newAuthority(t, "foreign")
	serverPair, _, _ := ours.issue(t, "spiffe://mesh/ns/a/sa/server")
	roots := x509.NewCertPool()
	roots.AddCert(ours.certificate)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{serverPair}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
		NextProtos: []string{"istio"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(connection, connection)
				_ = connection.Close()
			}()
		}
	}()
	address := []string{"--address", listener.Addr().String(), "--cacert", ours.file(t), "--alpn", "istio", "--send", "hi"}
	with := func(a authority) []string {
		_, certificate, key := a.issue(t, "spiffe://mesh/ns/a/sa/client")
		return append([]string{"--client-cert", certificate, "--client-key", key}, address...)
	}
	accepted := probe[probed](t, runTLS, with(ours)...)
	if !*accepted.Accepted || !*accepted.Verified || accepted.Received != "hi" || accepted.TLS.ALPN != "istio" {
		t.Errorf("our own certificate: %+v", accepted)
	}
	if peer := accepted.TLS.Peer[0]; peer.Issuer != "CN=ours" || peer.SANs[1] != "spiffe://mesh/ns/a/sa/server" || peer.Serial != "ff" {
		t.Errorf("peer %+v", peer)
	}
	for name, arguments := range map[string][]string{"a foreign certificate": with(foreign), "no certificate": address} {
		refused := probe[probed](t, runTLS, arguments...)
		if *refused.Accepted || refused.Error == nil || refused.Error.Kind != "tls" {
			t.Errorf("%s: %+v, error %+v", name, refused, refused.Error)
		}
	}
}

func TestGetReachesAHostNameAtAnotherAddressAndChecksItsCertificate(t *testing.T) {
	ours := newAuthority(t, "ours")
	pair, _, _ := ours.issue(t, "spiffe://x")
	server := httptest.NewUnstartedServer((&echo{who: identity{Region: "east"}}).httpHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	defer server.Close()
	at := []string{"--url", "https://exam-platform.com/x", "--resolve", "exam-platform.com:" + server.Listener.Addr().String()}
	right := probe[got](t, runGet, append(at, "--cacert", ours.file(t))...)
	var who reply
	if err := json.Unmarshal(right.JSON, &who); err != nil || right.Status != 200 || who.Region != "east" || who.Host != "exam-platform.com" {
		t.Errorf("%+v, error %+v", right, right.Error)
	}
	if right.TLS.Peer[0].SANs[0] != "exam-platform.com" {
		t.Errorf("peer %+v", right.TLS.Peer)
	}
	if wrong := probe[got](t, runGet, append(at, "--cacert", newAuthority(t, "foreign").file(t))...); wrong.Error == nil || wrong.Error.Kind != "tls" {
		t.Errorf("a foreign root was accepted: %+v", wrong)
	}
	if any := probe[got](t, runGet, append(at, "--insecure")...); any.Status != 200 {
		t.Errorf("%+v", any.Error)
	}
}

func TestGetShowsARedirectInsteadOfFollowingIt(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("https://elsewhere/", http.StatusMovedPermanently))
	defer server.Close()
	if r := probe[got](t, runGet, "--url", server.URL); r.Status != 301 || r.Headers["location"] != "https://elsewhere/" {
		t.Errorf("%+v", r)
	}
}

func TestTCPProbeTellsSilenceFromAClosedAndAMissingDoor(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := silent.Addr().String()
	if r := probe[probed](t, runTCP, "--address", address, "--listen", "30ms"); !r.Connected || r.Closed || r.Error != nil {
		t.Errorf("silence: %+v", r)
	}
	go func() {
		for {
			connection, err := silent.Accept()
			if err != nil {
				return
			}
			_ = connection.Close()
		}
	}()
	if r := probe[probed](t, runTCP, "--address", address); !r.Connected || !r.Closed {
		t.Errorf("closed: %+v", r)
	}
	_ = silent.Close()
	if r := probe[probed](t, runTCP, "--address", address); r.Connected || r.Error == nil || r.Error.Kind != "refused" {
		t.Errorf("missing: %+v", r)
	}
	servers := startEcho(t, identity{Region: "east"})
	if r := probe[probed](t, runTCP, "--address", servers.tcp, "--send", "ping\n"); !bytes.Contains([]byte(r.Received), []byte("ping\n")) {
		t.Errorf("echo: %+v", r)
	}
}
