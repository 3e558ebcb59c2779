package opensearch

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
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
	used  *http.Transport
	said  string // the last trouble that was logged
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
	if conf == nil { // no file is named
		if conf, err = c.files.config(); err != nil {
			return nil, err
		}
	}
	c.used = c.transport(conf)
	return c, nil
}

// transport makes one of the settings.
func (c *connections) transport(conf *tls.Config) *http.Transport {
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
	return t
}

// RoundTrip implements http.RoundTripper.
func (c *connections) RoundTrip(req *http.Request) (*http.Response, error) {
	return c.current().RoundTrip(req)
}

// current gives the transport of the files as they are now, or as they were when
// they were last fit for use.
func (c *connections) current() *http.Transport {
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
