package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// fault is a failed attempt: its kind, for counting, and the words of the library that met it.
type fault struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

func faultOf(err error) *fault {
	if err == nil {
		return nil
	}
	return &fault{Kind: kindOf(err), Message: err.Error()}
}

// kindOf sorts errors into what a caller can tell apart: timeout, dns, refused, reset, unreachable, tls, closed, other.
func kindOf(err error) string {
	var (
		resolution   *net.DNSError
		operation    *net.OpError
		verification *tls.CertificateVerificationError
		alert        tls.AlertError
		record       tls.RecordHeaderError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
	)
	text := err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err), errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.As(err, &resolution):
		return "dns"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), strings.Contains(text, "stream error"):
		return "reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	case errors.As(err, &verification), errors.As(err, &alert), errors.As(err, &record), errors.As(err, &authority),
		errors.As(err, &hostname), strings.Contains(text, "tls: "),
		// An alert of the other side comes as an operation of this name.
		errors.As(err, &operation) && operation.Op == "remote error":
		return "tls"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		strings.Contains(text, "server closed"), strings.Contains(text, "GOAWAY"):
		return "closed"
	default:
		return "other"
	}
}
