package opensearch_test

import (
	"context"
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
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
)

// writeCA writes the certificate that a test server's clients are to trust.
func writeCA(t *testing.T, path string, srv *httptest.Server) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	put(t, path, text)
}

// put writes a file whole and puts it in place by a rename.
func put(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	last atomic.Int64
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	a.last.Store(1)
	return a
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// issue makes a certificate for an address or a name, good for the time given.
func (a *authority) issue(t *testing.T, name string, from, to time.Duration) (cert, key []byte) {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(a.last.Add(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{name}
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// settings makes a server's settings of a certificate.
func settings(t *testing.T, cert, key []byte) *tls.Config {
	t.Helper()
	c, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12}
}

// secured is a server whose settings can be changed while it runs.
type secured struct {
	*httptest.Server
	conf  atomic.Pointer[tls.Config]
	conns atomic.Int64 // made so far
	shown atomic.Int64 // serial number of the client's certificate
}

func newSecured(t *testing.T, h http.Handler, conf *tls.Config) *secured {
	t.Helper()
	s := &secured{}
	s.conf.Store(conf)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			s.shown.Store(r.TLS.PeerCertificates[0].SerialNumber.Int64())
		}
		h.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.conf.Load(), nil }, MinVersion: tls.VersionTLS10} //nolint:gosec // old versions are what is tested
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// change gives new connections other settings and ends those that are there.
func (s *secured) change(conf *tls.Config) {
	s.conf.Store(conf)
	s.CloseClientConnections()
}

// client makes a destination that is closed with the test.
func client(t *testing.T, o opensearch.Options) *opensearch.Client {
	t.Helper()
	c, err := opensearch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// send sends one document, with a second for further attempts.
func send(t *testing.T, c *opensearch.Client) deliver.Answer {
	t.Helper()
	b := batch(c, 1, 0)
	var ans deliver.Answer
	c.Send(context.Background(), &deliver.Request{
		Body: b.Body, Docs: b.Docs, Which: []int32{0}, Timeout: 5 * time.Second,
		RetryWaitMin: time.Millisecond, RetryWaitMax: 5 * time.Millisecond, RetryUntil: time.Now().Add(time.Second),
	}, &ans)
	return ans
}

// arrives fails the test unless a document does.
func arrives(t *testing.T, c *opensearch.Client, when string) {
	t.Helper()
	if ans := send(t, c); ans.Verdict != deliver.Items || ans.Items[0].Outcome != deliver.Delivered {
		t.Errorf("%s: %+v, want it delivered", when, ans)
	}
}

func pathIn(t *testing.T, name string) string { return filepath.Join(t.TempDir(), name) }
