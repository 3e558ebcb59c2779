package faults

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority makes one; each has keys of its own.
func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = sign(t, nil, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
	return a
}

// sign makes a certificate for 127.0.0.1, changed as told, signed by an authority or, without one, by itself.
func sign(t *testing.T, by *authority, change func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "fault " + serial.String()},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	change(c)
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	} else {
		c.ExtKeyUsage = nil
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

// issue gives a certificate for 127.0.0.1, changed as told.
func (a *authority) issue(t *testing.T, change func(*x509.Certificate)) *tls.Certificate {
	t.Helper()
	if change == nil {
		change = func(*x509.Certificate) {}
	}
	c, key := sign(t, a, change)
	return &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

// pool is a pool of this authority alone.
func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// write puts the authority's certificate into a file, in one step, as a secret store does.
func (a *authority) write(t *testing.T, path string) {
	t.Helper()
	replace(t, path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// writePair puts a certificate and its key into two files.
func writePair(t *testing.T, c *tls.Certificate, crt, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, crt, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
	replace(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// replace puts a new file in the place of an old one.
func replace(t *testing.T, path string, text []byte) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// front stands before a server: it ends TLS, looks at each request before it is passed on, and counts.
type front struct {
	url     string
	tls     atomic.Pointer[tls.Config] // for connections to come
	look    atomic.Pointer[func(w http.ResponseWriter, r *http.Request) (passed bool)]
	passed  atomic.Int64 // requests
	refused atomic.Int64
	failed  atomic.Int64 // handshakes
	server  *httptest.Server
}

// newFront makes a front of a server, with TLS if there is a configuration for it.
func newFront(t *testing.T, server string, secure *tls.Config) *front {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{}
	transport := &http.Transport{}
	proxy := httputil.NewSingleHostReverseProxy(u)
	proxy.Transport = transport
	proxy.ErrorLog = log.New(io.Discard, "", 0) // that the agent goes away is part of the fault
	f.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if look := f.look.Load(); look != nil && !(*look)(w, r) {
			f.refused.Add(1)
			return
		}
		f.passed.Add(1)
		proxy.ServeHTTP(w, r)
	}))
	f.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure != nil {
		f.tls.Store(secure)
		f.server.Listener = &handshakes{Listener: f.server.Listener, f: f}
	}
	f.server.Start()
	f.url = f.server.URL
	if secure != nil {
		f.url = "https://" + f.server.Listener.Addr().String()
	}
	t.Cleanup(func() {
		f.server.Close()
		transport.CloseIdleConnections()
	})
	return f
}

// become has new connections meet another configuration and ends those that there are.
func (f *front) become(c *tls.Config) {
	f.tls.Store(c)
	f.server.CloseClientConnections()
}

// watch looks at each request from now on. It answers itself and gives false, or lets the request pass.
func (f *front) watch(look func(http.ResponseWriter, *http.Request) bool) { f.look.Store(&look) }

// handshakes hands out connections on which TLS is spoken with the front's configuration at the time.
type handshakes struct {
	net.Listener
	f *front
}

// Accept implements net.Listener. The handshake is made by the first read, so none holds up the others.
func (h *handshakes) Accept() (net.Conn, error) {
	c, err := h.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &counted{Conn: tls.Server(c, h.f.tls.Load()), f: h.f}, nil
}

// counted is a connection whose failed handshake is counted.
type counted struct {
	*tls.Conn
	f    *front
	done atomic.Bool
}

// Read implements net.Conn.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && !c.Conn.ConnectionState().HandshakeComplete && c.done.CompareAndSwap(false, true) {
		c.f.failed.Add(1)
	}
	return n, err
}

// tunnel is an HTTP proxy that can refuse, ask who is there, and break off.
type tunnel struct {
	url    string
	mode   atomic.Pointer[string] // "", refuse, login, break
	asked  atomic.Int64
	opened atomic.Int64
	broken atomic.Int64
}

// newTunnel makes a proxy.
func newTunnel(t *testing.T) *tunnel {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // nobody connects any more
	p := &tunnel{url: "http://" + l.Addr().String()}
	p.set("")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *tunnel) set(mode string) { p.mode.Store(&mode) }

// serve does one connection: CONNECT alone, as it leads to https.
func (p *tunnel) serve(c net.Conn) {
	defer func() { _ = c.Close() }() // the fault itself
	in := bufio.NewReader(c)
	req, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	p.asked.Add(1)
	answer := func(line string) { _, _ = io.WriteString(c, "HTTP/1.1 "+line+"\r\nContent-Length: 0\r\n\r\n") }
	mode := *p.mode.Load()
	switch {
	case req.Method != http.MethodConnect:
		answer("405 Method Not Allowed")
		return
	case mode == "refuse":
		answer("403 Forbidden")
		return
	case mode == "login":
		answer("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"fault\"")
		return
	}
	up, err := net.Dial("tcp", req.Host)
	if err != nil {
		answer("502 Bad Gateway")
		return
	}
	defer func() { _ = up.Close() }() // as above
	p.opened.Add(1)
	_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	if mode == "break" {
		// Beyond the handshake, into the first body.
		p.broken.Add(1)
		go func() { _, _ = io.Copy(c, up) }()
		_, _ = io.CopyN(up, in, 3000)
		return
	}
	go func() {
		_, _ = io.Copy(up, in)
		_ = up.Close()
	}()
	_, _ = io.Copy(c, up)
}
