package opensearch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/seclog/seclog/plugin/config"
)

// ProxyURL is the URL of an HTTP proxy, which may hold user and password; no
// way of formatting shows it.
type ProxyURL string

// String hides the URL.
func (p ProxyURL) String() string { return "***" }

// GoString hides the URL.
func (p ProxyURL) GoString() string { return "***" }

// Format hides the URL, whatever the verb.
func (p ProxyURL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "***") }

// parse gives the URL, nil when there is none.
//
// Errors: what is no proxy's URL; the text quotes nothing of it.
func (p ProxyURL) parse() (*url.URL, error) {
	if p == "" {
		return nil, nil
	}
	u, err := config.ParseProxy(string(p))
	if err != nil {
		return nil, fmt.Errorf("the proxy: %w", err)
	}
	return u, nil
}

// proxyError says that a proxy did not open a tunnel.
type proxyError struct{ status int }

// Error names the status alone: the rest is the proxy's text.
func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy opens no tunnel: status %d", e.status)
}

// throughProxy sends a transport's connections through a proxy, or through none,
// whatever the environment says.
func throughProxy(t *http.Transport, u *url.URL) {
	t.Proxy = nil
	if u == nil {
		return
	}
	t.Proxy = http.ProxyURL(u)
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
		if res.StatusCode != http.StatusOK {
			return &proxyError{res.StatusCode}
		}
		return nil
	}
}

// nearby tells whether a host is this machine or a service of its hypervisor,
// such as the one that hands out credentials: these are asked without a proxy.
func nearby(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	return ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip == netip.MustParseAddr("fd00:ec2::254") || ip == netip.MustParseAddr("fd00:ec2::23")
}

// atProxy tells whether an error is one of reaching the proxy.
func atProxy(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "proxyconnect"
}
