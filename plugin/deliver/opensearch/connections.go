package opensearch

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// connections is the transport that makes and keeps connections. When a file of
// certificates changes it begins anew with a transport of the new settings, which
// are checked as crypto/tls always does, and closes what the old one keeps idle;
// requests that are under way end on their connections.
//
// Concurrency: RoundTrip may be called at any time.
type connections struct {
	gzip  bool
	proxy *url.URL
	log   func(line string)

	mu    sync.Mutex
	files *certificates
	used  *generation
	said  string // the last trouble that was logged
}

// generation is a transport and what is known of the hosts that it reached.
type generation struct {
	*http.Transport
	asked    atomic.Bool // a host asked for a certificate, and there is none
	answered atomic.Bool // a host has answered all the same
}

func newConnections(o *Options) (*connections, error) {
	c := &connections{gzip: o.Gzip, log: o.Log}
	var err error
	if c.proxy, err = o.Proxy.parse(); err != nil {
		return nil, err
	}
	if c.files, err = newCertificates(o.TLS); err != nil {
		return nil, err
	}
	conf, err := c.files.changed()
	if err != nil {
		return nil, err
	}
	c.used = c.transport(conf)
	return c, nil
}

// transport makes one of the settings.
func (c *connections) transport(conf *tls.Config) *generation {
	g := &generation{}
	own := conf.GetClientCertificate
	// The certificate is shown whatever authorities the host names, so that it is
	// the host that says what it does not like.
	conf.GetClientCertificate = func(i *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if own == nil {
			g.asked.Store(true)
			return new(tls.Certificate), nil
		}
		return own(i)
	}
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: connectMax, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    connectMax,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: headersMax,
		WriteBufferSize:        64 << 10,
		DisableCompression:     !c.gzip,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
	throughProxy(t, c.proxy)
	g.Transport = t
	return g
}

// RoundTrip implements http.RoundTripper.
func (c *connections) RoundTrip(req *http.Request) (*http.Response, error) {
	g := c.current()
	res, err := g.RoundTrip(req)
	switch {
	case err == nil:
		g.answered.Store(true)
	case g.asked.Load() && !g.answered.Load() && (untrusted(err) != "" || hungUp(err)):
		// In TLS 1.3 the host finds out after the handshake that there is no
		// certificate, and what it says of that may be lost with the connection.
		err = fmt.Errorf("%w: %w", errAsked, err)
	}
	return res, err
}

// current gives the transport of the files as they are now, or as they were when
// they were last fit for use.
func (c *connections) current() *generation {
	c.mu.Lock()
	defer c.mu.Unlock()
	conf, err := c.files.changed()
	switch {
	case err != nil:
		// The same content is an error once, a file that stays away each time.
		if text := err.Error(); text != c.said {
			c.said = text
			c.log(fmt.Sprintf("TLS: changed files cannot be used, so those read before stay in use: %q", text))
		}
	case conf != nil:
		old := c.used
		c.said, c.used = "", c.transport(conf)
		old.CloseIdleConnections()
	default:
		c.said = ""
	}
	return c.used
}

// close closes idle connections.
func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used.CloseIdleConnections()
}
