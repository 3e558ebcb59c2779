package opensearch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// causeOf says in words of ours why a request brought no usable answer: the
// text of an error may quote what a server sent.
func causeOf(err error) string {
	var (
		dns     *net.DNSError
		timeout net.Error
		keys    *keysError
		proxy   *proxyError
	)
	switch {
	case errors.As(err, &keys):
		return keys.Error()
	case errors.As(err, &proxy) && proxy.status == http.StatusProxyAuthRequired:
		return "the proxy wants other credentials"
	case errors.As(err, &proxy):
		return fmt.Sprintf("the proxy opens no tunnel (status %d)", proxy.status)
	case errors.Is(err, errNotBulk):
		return "the answer is no bulk answer"
	case errors.Is(err, errTooMuch):
		return "the answer is too long"
	}
	cause := untrusted(err)
	switch {
	case cause != "":
	case errors.As(err, &dns):
		cause = "the name is not found"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		cause = "timeout"
	case errors.Is(err, errCut):
		cause = "the answer was cut"
	case errors.Is(err, syscall.ECONNREFUSED):
		cause = "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		cause = "connection reset"
	case hungUp(err):
		cause = "connection closed"
	case errors.Is(err, context.Canceled):
		cause = "cancelled"
	case errors.Is(err, errSecretText), errors.Is(err, errNoSecret):
		cause = "a secret's file cannot be used"
	case strings.Contains(err.Error(), "malformed HTTP "), strings.Contains(err.Error(), "malformed MIME header"):
		cause = "what answers speaks no HTTP"
	default:
		cause = "the request failed"
	}
	if atProxy(err) {
		return "the proxy: " + cause
	}
	return cause
}

// errAsked says that a host wants a certificate of ours, which there is not.
var errAsked = errors.New("a client certificate is asked for")

// hungUp tells whether the other side ended a connection.
func hungUp(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// untrusted says in words of ours why no secure connection could be made, and
// "" of other errors. It is the same with the next attempt.
func untrusted(err error) string {
	var (
		record  tls.RecordHeaderError
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
		cert    *tls.CertificateVerificationError
		alert   tls.AlertError
		remote  *net.OpError
	)
	switch {
	case errors.Is(err, errAsked):
		return "the host asks for a client certificate"
	case errors.As(err, &name):
		return "the certificate is for another name"
	case errors.As(err, &unknown):
		return "the certificate is not signed by an authority we trust"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if strings.Contains(invalid.Detail, " is before ") {
			return "the certificate is not valid yet"
		}
		return "the certificate has expired"
	case errors.As(err, &invalid), errors.As(err, &cert):
		return "the certificate is not trusted"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the host speaks no TLS"
	case errors.As(err, &alert):
		return "TLS failed"
	case errors.As(err, &remote) && remote.Op == "remote error":
		return refusedBy(remote.Err.Error())
	}
	// Errors of a handshake that crypto/tls finds on this side have no type.
	switch text := err.Error(); {
	case strings.Contains(text, "tls: server selected unsupported protocol version"), strings.Contains(text, "tls: no supported versions"):
		return "the host speaks no TLS version that we take"
	case strings.Contains(text, "tls: "):
		return "TLS failed"
	}
	return ""
}

// refusedBy says what an alert of the host means. It has one of the few texts of
// crypto/tls.
func refusedBy(alert string) string {
	for _, a := range [...]struct{ text, means string }{
		{"certificate required", "the host asks for a client certificate"},
		{"expired certificate", "the host says that our client certificate has expired"},
		{"revoked certificate", "the host says that our client certificate is revoked"},
		{"unknown certificate authority", "the host does not trust our client certificate's authority"},
		{"certificate", "the host does not take our client certificate, or asks for one"},
		{"access denied", "the host does not take our client certificate, or asks for one"},
		{"protocol version not supported", "the host speaks no TLS version that we take"},
		{"insufficient security level", "the host speaks no TLS that we take"},
		{"handshake failure", "the host refuses the handshake"},
		{"unrecognized name", "the host does not know its name"},
	} {
		if strings.Contains(alert, a.text) {
			return a.means
		}
	}
	return "TLS failed"
}

// lasting tells whether an error would be the same with the next attempt, so
// that none is made.
func lasting(err error) bool {
	var (
		keys  *keysError
		proxy *proxyError
	)
	switch {
	case err == nil:
		return false
	case errors.As(err, &keys):
		return keys.lasting
	case errors.As(err, &proxy):
		return proxy.status == http.StatusProxyAuthRequired
	}
	return untrusted(err) != ""
}
