package opensearch_test

import (
	"crypto/tls"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
)

const day = 24 * time.Hour

// A host that cannot be trusted is asked once, gets nothing, and the cause says
// why; when it can, all arrives.
func TestTLS_Untrusted(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	const here = "127.0.0.1"
	good, goodKey := ours.issue(t, here, -day/24, day)
	at := func(a *authority, name string, from, to time.Duration, change func(*tls.Config)) *tls.Config {
		cert, key := a.issue(t, name, from, to)
		c := settings(t, cert, key)
		if change != nil {
			change(c)
		}
		return c
	}
	fine := func(change func(*tls.Config)) *tls.Config { return at(ours, here, -day, day, change) }
	asks := func(c *tls.Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, ours.pool() }
	own := func(a *authority, from, to time.Duration) opensearch.TLS {
		cert, key := a.issue(t, "seclog", from, to)
		o := opensearch.TLS{CertFile: pathIn(t, "crt"), KeyFile: pathIn(t, "key")}
		put(t, o.CertFile, cert)
		put(t, o.KeyFile, key)
		return o
	}
	for name, tt := range map[string]struct {
		server *tls.Config
		client opensearch.TLS
		cause  string
	}{
		"expired":              {at(ours, here, -2*day, -day, nil), opensearch.TLS{}, "the certificate has expired"},
		"not valid yet":        {at(ours, here, day, 2*day, nil), opensearch.TLS{}, "the certificate is not valid yet"},
		"other authority":      {at(others, here, -day, day, nil), opensearch.TLS{}, "the certificate is not signed by an authority we trust"},
		"other name":           {at(ours, "other.example", -day, day, nil), opensearch.TLS{}, "the certificate is for another name"},
		"other address":        {at(ours, "127.0.0.2", -day, day, nil), opensearch.TLS{}, "the certificate is for another name"},
		"TLS 1.1":              {fine(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), opensearch.TLS{}, "the host speaks no TLS version that we take"},
		"TLS 1.2, 1.3 asked":   {fine(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), opensearch.TLS{MinVersion: tls.VersionTLS13}, "the host speaks no TLS version that we take"},
		"asks who we are":      {fine(asks), opensearch.TLS{}, "the host asks for a client certificate"},
		"asks in TLS 1.2":      {fine(func(c *tls.Config) { asks(c); c.MaxVersion = tls.VersionTLS12 }), opensearch.TLS{}, "the host asks for a client certificate"},
		"stranger's client":    {fine(asks), own(others, -day, day), "the host does not trust our client certificate's authority"},
		"client's has expired": {fine(asks), own(ours, -2*day, -day), "the host says that our client certificate has expired"},
		"client's in TLS 1.2":  {fine(func(c *tls.Config) { asks(c); c.MaxVersion = tls.VersionTLS12 }), own(others, -day, day), "the host does not trust our client certificate's authority"},
		"no certificate there": {fine(func(c *tls.Config) { c.Certificates = nil }), opensearch.TLS{}, "the host does not know its name"},
	} {
		t.Run(name, func(t *testing.T) {
			x := &index{docs: map[string]string{}}
			s := newSecured(t, x, tt.server)
			tt.client.CAFile = pathIn(t, "ca")
			put(t, tt.client.CAFile, ours.pem)
			c := client(t, opensearch.Options{Hosts: []string{s.URL}, TLS: tt.client})
			began := time.Now()
			ans := send(t, c)
			// What a host says of our certificate in TLS 1.3 comes after the
			// handshake and may be lost with the connection; then it is asked again.
			once := tt.client.CertFile == ""
			if ans.Verdict != deliver.NoAnswer || ans.Cause != tt.cause || once && ans.Attempts != 1 || time.Since(began) > 900*time.Millisecond {
				t.Errorf("%+v after %v, want one attempt and %q", ans, time.Since(began), tt.cause)
			}
			if x.requests != 0 {
				t.Error("an untrusted host was sent something")
			}
			s.change(settings(t, good, goodKey))
			if tt.client.MinVersion == 0 || tt.client.MinVersion == tls.VersionTLS13 {
				arrives(t, c, "mended")
			}
		})
	}
	t.Run("no TLS", func(t *testing.T) {
		srv := httptest.NewServer(&index{docs: map[string]string{}})
		defer srv.Close()
		c := client(t, opensearch.Options{Hosts: []string{strings.Replace(srv.URL, "http:", "https:", 1)}})
		if ans := send(t, c); ans.Cause != "the host speaks no TLS" || ans.Attempts != 1 {
			t.Errorf("%+v", ans)
		}
	})
}

// The authorities' file is read again when it changes; what was trusted before is
// no longer, connections that are idle included. A file that cannot be used
// changes nothing and is told of once.
func TestTLS_AuthorityRotated(t *testing.T) {
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	conf := func(a *authority) *tls.Config {
		cert, key := a.issue(t, "127.0.0.1", -day, day)
		return settings(t, cert, key)
	}
	s := newSecured(t, &index{docs: map[string]string{}}, conf(first))
	ca := pathIn(t, "ca")
	put(t, ca, first.pem)
	var lines []string
	c := client(t, opensearch.Options{Hosts: []string{s.URL}, TLS: opensearch.TLS{CAFile: ca}, Log: func(l string) { lines = append(lines, l) }})
	arrives(t, c, "first authority")
	arrives(t, c, "first authority again")
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d connections, want one kept", n)
	}
	s.change(conf(second))
	const unknown = "the certificate is not signed by an authority we trust"
	if ans := send(t, c); ans.Cause != unknown {
		t.Errorf("second authority, not in the file: %+v", ans)
	}
	put(t, ca, second.pem)
	arrives(t, c, "second authority")

	// The server is as it was and its connection is open, but no longer trusted.
	s.change(conf(first))
	put(t, ca, first.pem)
	arrives(t, c, "first authority once more")
	before := s.conns.Load()
	put(t, ca, second.pem)
	if ans := send(t, c); ans.Cause != unknown || s.conns.Load() == before {
		t.Errorf("an idle connection of an authority that is no longer trusted was used: %+v", ans)
	}

	put(t, ca, first.pem)
	arrives(t, c, "before the file breaks")
	for name, breaks := range map[string]func(){
		"garbage": func() { put(t, ca, []byte("no certificate")) },
		"empty":   func() { put(t, ca, nil) },
		"cut":     func() { put(t, ca, append(append([]byte{}, first.pem...), second.pem[:200]...)) },
		"removed": func() { _ = os.Remove(ca) },
	} {
		lines = nil
		breaks()
		s.CloseClientConnections()
		arrives(t, c, name)
		arrives(t, c, name)
		if len(lines) != 1 || !strings.Contains(lines[0], "stay in use") {
			t.Errorf("%s: %q, want one line", name, lines)
		}
		put(t, ca, first.pem)
		arrives(t, c, "mended after "+name)
	}
}

// Our own certificate and its key are two files: while they do not fit, those
// before are shown.
func TestTLS_ClientRotated(t *testing.T) {
	a := newAuthority(t, "a")
	cert, key := a.issue(t, "127.0.0.1", -day, day)
	conf := settings(t, cert, key)
	conf.ClientAuth, conf.ClientCAs = tls.RequireAndVerifyClientCert, a.pool()
	s := newSecured(t, &index{docs: map[string]string{}}, conf)
	o := opensearch.TLS{CAFile: pathIn(t, "ca"), CertFile: pathIn(t, "crt"), KeyFile: pathIn(t, "key")}
	put(t, o.CAFile, a.pem)
	cert, key = a.issue(t, "seclog", -day, day)
	put(t, o.CertFile, cert)
	put(t, o.KeyFile, key)
	var lines []string
	c := client(t, opensearch.Options{Hosts: []string{s.URL}, TLS: o, Log: func(l string) { lines = append(lines, l) }})
	arrives(t, c, "first")
	first := s.shown.Load()
	cert, key = a.issue(t, "seclog", -day, day)
	put(t, o.CertFile, cert)
	s.CloseClientConnections()
	arrives(t, c, "half of the pair is new")
	if got := s.shown.Load(); got != first || len(lines) != 1 {
		t.Errorf("certificate %d was shown, want %d; %q", got, first, lines)
	}
	put(t, o.KeyFile, key)
	arrives(t, c, "the pair is new")
	if got := s.shown.Load(); got == first {
		t.Error("the old certificate is still shown")
	}
	if text := strings.Join(lines, "\n"); strings.Contains(text, "PRIVATE") || strings.Contains(text, string(key[40:80])) {
		t.Errorf("the key shows: %q", text)
	}
}

// What a file must hold is asked for at start.
func TestTLS_RefusedAtStart(t *testing.T) {
	a, b := newAuthority(t, "a"), newAuthority(t, "b")
	cert, key := a.issue(t, "x", -day, day)
	_, other := b.issue(t, "x", -day, day)
	file := func(text []byte) string {
		p := pathIn(t, "f")
		put(t, p, text)
		return p
	}
	for name, o := range map[string]opensearch.TLS{
		"a key of another":      {CertFile: file(cert), KeyFile: file(other)},
		"no key":                {CertFile: file(cert), KeyFile: file(nil)},
		"no certificate":        {CertFile: file(key), KeyFile: file(key)},
		"a certificate alone":   {CertFile: file(cert)},
		"authorities of air":    {CAFile: file([]byte("x"))},
		"an authority cut off":  {CAFile: file(append(append([]byte{}, a.pem...), b.pem[:100]...))},
		"a missing certificate": {CertFile: "/nowhere", KeyFile: file(key)},
	} {
		if _, err := opensearch.New(opensearch.Options{Hosts: []string{"https://h"}, TLS: o}); err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), string(key[40:80])) || strings.Contains(err.Error(), string(other[40:80])) {
			t.Errorf("%s: the key shows: %v", name, err)
		}
	}
}
