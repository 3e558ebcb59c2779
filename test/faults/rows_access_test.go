package faults

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/seclog/seclog/plugin"
)

// rowsAccess are faults of certificates, credentials and proxies.
func rowsAccess() []row {
	return []row{
		{22, "certificates that are expired, of another authority, for another name, TLS 1.1, rotated", ofAccess, certificates},
		{22, "the authority's file rotated on disk", ofAccess, authorityRotated},
		{22, "the client's certificate rotated on disk", ofAccess, clientRotated},
		{23, "credentials rotated, then revoked for ever", ofAccess, credentialsRotated},
		{25, "an HTTP proxy that refuses, asks who is there, dies in mid-tunnel", ofAccess, proxyFaults},
	}
}

// certificates has a server show one bad certificate after another and then good ones.
func certificates(p *play) {
	c := newCourse(p.t, "fault-22-certificates")
	good, other := newAuthority(c.t), newAuthority(c.t)
	ca := filepath.Join(c.dir, "ca.pem")
	good.write(c.t, ca)
	show := func(cert *tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{*cert}} }
	expired := good.issue(c.t, func(x *x509.Certificate) { x.NotAfter = time.Now().Add(-time.Hour) })
	f := newFront(c.t, c.server.URL, show(expired))
	a := c.agent(f.url, map[string]string{"TLS_CA_File": ca}, nil)
	old := show(good.issue(c.t, nil))
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	chunks := 0
	for _, bad := range []struct {
		name string
		conf *tls.Config
		told string
	}{
		{"expired", show(expired), "the certificate has expired"},
		{"of another authority", show(other.issue(c.t, nil)), "the certificate is not signed by an authority we trust"},
		{"for another name", show(good.issue(c.t, func(x *x509.Certificate) { x.IPAddresses, x.DNSNames = nil, []string{"search.example"} })), "the certificate is for another name"},
		{"TLS 1.1 alone", old, "the host speaks no TLS version that we take"},
	} {
		f.become(bad.conf)
		before := f.failed.Load()
		a.send(c.chunks(2, 20)...)
		chunks += 2
		c.stuck(a, chunks, time.Second)
		if f.failed.Load() == before || f.passed.Load() > 0 {
			c.t.Errorf("%s: %d failed handshakes, %d requests passed", bad.name, f.failed.Load()-before, f.passed.Load())
		}
		c.wantTold(bad.told)
	}
	f.become(show(good.issue(c.t, nil)))
	took := c.drain(a, 2*schedulerCap)
	// The server's own certificate is a new one of the same authority: nothing need be read again.
	f.become(show(good.issue(c.t, nil)))
	a.send(c.chunks(2, 20)...)
	c.drain(a, 2*schedulerCap)
	c.exact(0, f.failed.Load(), "handshakes failed; recovered after", took.Round(time.Millisecond))
}

// authorityRotated has the server's certificates come from a new authority, of which the agent's file tells later.
func authorityRotated(p *play) {
	c := newCourse(p.t, "fault-22-authority")
	first, second := newAuthority(c.t), newAuthority(c.t)
	ca := filepath.Join(c.dir, "ca.pem")
	first.write(c.t, ca)
	f := newFront(c.t, c.server.URL, &tls.Config{Certificates: []tls.Certificate{*first.issue(c.t, nil)}})
	a := c.agent(f.url, map[string]string{"TLS_CA_File": ca}, nil)
	a.send(c.chunks(2, 20)...)
	c.drain(a, 2*schedulerCap)
	f.become(&tls.Config{Certificates: []tls.Certificate{*second.issue(c.t, nil)}})
	a.send(c.chunks(2, 20)...)
	c.stuck(a, 2, time.Second)
	// Half a file, as a careless copy leaves for a moment, changes nothing for the worse.
	replace(c.t, ca, []byte("-----BEGIN CERTIFICATE-----\nMIIB"))
	c.stuck(a, 2, time.Second)
	second.write(c.t, ca)
	took := c.drain(a, 2*schedulerCap)
	c.exact(0, "recovered", took.Round(time.Millisecond), "after the file was replaced")
}

// clientRotated has the server trust another authority for clients, of which the agent gets a certificate later.
func clientRotated(p *play) {
	c := newCourse(p.t, "fault-22-client")
	servers, first, second := newAuthority(c.t), newAuthority(c.t), newAuthority(c.t)
	ca, crt, key := filepath.Join(c.dir, "ca.pem"), filepath.Join(c.dir, "client.pem"), filepath.Join(c.dir, "client.key")
	servers.write(c.t, ca)
	writePair(c.t, first.issue(c.t, nil), crt, key)
	trust := func(clients *authority) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{*servers.issue(c.t, nil)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients.pool()}
	}
	f := newFront(c.t, c.server.URL, trust(first))
	a := c.agent(f.url, map[string]string{"TLS_CA_File": ca, "TLS_Crt_File": crt, "TLS_Key_File": key}, nil)
	a.send(c.chunks(2, 20)...)
	c.drain(a, 2*schedulerCap)
	f.become(trust(second))
	a.send(c.chunks(2, 20)...)
	c.stuck(a, 2, time.Second)
	writePair(c.t, second.issue(c.t, nil), crt, key)
	took := c.drain(a, 2*schedulerCap)
	c.exact(0, "recovered", took.Round(time.Millisecond), "after the files were replaced")
}

// credentialsRotated has a server take another password, of which the agent's file tells later, and then none ever.
func credentialsRotated(p *play) {
	c := newCourse(p.t, "fault-23-credentials")
	file := filepath.Join(c.dir, "password")
	replace(c.t, file, []byte("first-planted-password\n"))
	f := newFront(c.t, c.server.URL, nil)
	var valid atomic.Pointer[string]
	set := func(s string) { valid.Store(&s) }
	set("first-planted-password")
	f.watch(func(w http.ResponseWriter, r *http.Request) bool {
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte("shipper:"+*valid.Load()))
		if r.Header.Get("Authorization") == want {
			return true
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="fault"`)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return false
	})
	// The clock runs when told to, so that minutes pass at once.
	var ahead atomic.Int64
	a := c.agent(f.url, map[string]string{"HTTP_User": "shipper", "HTTP_Passwd_File": file}, func(o *plugin.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	a.send(c.chunks(2, 20)...)
	c.drain(a, 2*schedulerCap)
	set("second-planted-password")
	a.send(c.chunks(4, 20)...)
	c.stuck(a, 4, 2*time.Second)
	if n := c.told("status 401"); n != 1 {
		c.t.Errorf("%d lines in the first minute of refusals, want 1", n)
	}
	for range 3 {
		ahead.Add(int64(61 * time.Second))
		c.stuck(a, 4, time.Second)
	}
	lines := c.told("status 401")
	if lines != 4 {
		c.t.Errorf("%d lines after three minutes more, want 4", lines)
	}
	replace(c.t, file, []byte("second-planted-password\n"))
	took := c.drain(a, 2*schedulerCap)
	set("no-password-at-all")
	a.send(c.chunks(1, 20)...)
	c.stuck(a, 1, time.Second)
	set("second-planted-password")
	c.drain(a, 2*schedulerCap)
	if c.told("planted-password") > 0 || c.told(base64.StdEncoding.EncodeToString([]byte("shipper:second-planted-password"))) > 0 {
		c.t.Error("a password is in the log")
	}
	c.exact(0, f.refused.Load(), "requests refused,", lines, "lines in four minutes; recovered", took.Round(time.Millisecond), "after the file was replaced")
}

// proxyFaults has the proxy on the way to a server refuse, ask for a login and die in mid-tunnel.
func proxyFaults(p *play) {
	c := newCourse(p.t, "fault-25-proxy")
	ca := newAuthority(c.t)
	file := filepath.Join(c.dir, "ca.pem")
	ca.write(c.t, file)
	f := newFront(c.t, c.server.URL, &tls.Config{Certificates: []tls.Certificate{*ca.issue(c.t, nil)}})
	way := newTunnel(c.t)
	way.set("refuse")
	a := c.agent(f.url, map[string]string{"TLS_CA_File": file, "Proxy": way.url}, nil)
	a.send(c.chunks(4, 50)...)
	chunks := 4
	for _, mode := range []string{"refuse", "login", "break"} {
		way.set(mode)
		asked := way.asked.Load()
		c.stuck(a, chunks, time.Second)
		if way.asked.Load() == asked {
			c.t.Errorf("%s: the proxy was not asked", mode)
		}
	}
	if way.broken.Load() == 0 {
		c.t.Error("no tunnel was broken")
	}
	way.set("")
	took := c.drain(a, 2*schedulerCap)
	c.exact(0, way.asked.Load(), "tunnels asked for,", way.opened.Load(), "opened,", way.broken.Load(), "broken; recovered after", took.Round(time.Millisecond))
}
