package opensearch

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// TLS says how connections are made secure. Its files are read again when they
// change.
type TLS struct {
	CAFile     string // certificates to trust instead of the system's
	CertFile   string // our own certificate
	KeyFile    string // its key
	SkipVerify bool   // trust anybody
	MinVersion uint16 // 0: TLS 1.2
}

// pemMax bounds the size of a file of certificates.
const pemMax = 16 << 20

// certificates makes the settings that crypto/tls takes, anew when a file has
// changed.
//
// Concurrency: not safe.
type certificates struct {
	o             TLS
	ca, cert, key watchedFile
	looked        bool
	reads         int               // of the files, when their contents were last compared
	tried         [sha256.Size]byte // the contents that were last made settings of, or could not be
}

func newCertificates(o TLS) (*certificates, error) {
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, errors.New("a client certificate needs both its file and its key's file")
	}
	if o.MinVersion == 0 {
		o.MinVersion = tls.VersionTLS12
	}
	return &certificates{o: o, ca: watchedFile{path: o.CAFile, limit: pemMax}, cert: watchedFile{path: o.CertFile, limit: pemMax}, key: watchedFile{path: o.KeyFile, limit: pemMax}}, nil
}

// changed gives new settings, at first and when the files have changed, else
// nil; one content that is not usable is an error once. A certificate and its key are
// two files, so a moment may come when they do not fit.
//
// Errors: a file that cannot be read or used; the text names it and quotes
// nothing of it.
func (c *certificates) changed() (*tls.Config, error) {
	var errs []error
	reads := 0
	files := [...]*watchedFile{&c.ca, &c.cert, &c.key}
	for _, f := range files {
		if f.path == "" {
			continue
		}
		if _, err := f.load(); err != nil {
			errs = append(errs, err)
		}
		reads += f.reads
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.looked && reads == c.reads {
		return nil, nil
	}
	sum := sha256.New()
	for _, f := range files {
		fmt.Fprintf(sum, "%d:", len(f.raw))
		_, _ = sum.Write(f.raw)
	}
	content := [sha256.Size]byte(sum.Sum(nil))
	known := c.looked && content == c.tried
	c.looked, c.reads, c.tried = true, reads, content
	if known {
		return nil, nil
	}
	return c.config()
}

// config makes settings of what was read.
func (c *certificates) config() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: c.o.MinVersion, InsecureSkipVerify: c.o.SkipVerify} //nolint:gosec // only when the user asks for it, of which Config.Warnings tells
	if c.o.CAFile != "" {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(c.ca.raw) {
			return nil, fmt.Errorf("CA file %s holds no certificate", c.o.CAFile)
		}
		if cut(c.ca.raw) {
			return nil, fmt.Errorf("CA file %s ends within a certificate", c.o.CAFile)
		}
	}
	if c.o.CertFile != "" {
		own, err := tls.X509KeyPair(c.cert.raw, c.key.raw)
		if err != nil {
			return nil, fmt.Errorf("client certificate %s with key %s: %w", c.o.CertFile, c.o.KeyFile, err)
		}
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	return conf, nil
}

// cut tells whether a file of certificates ends within one, as when it is being
// written.
func cut(raw []byte) bool {
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		raw = rest
	}
	return bytes.Contains(raw, []byte("-----BEGIN"))
}
