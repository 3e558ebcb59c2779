package opensearch

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Secret is a value given as it is or in a file, which is read again when it
// changes.
type Secret struct {
	Value string
	File  string // wins over Value
}

// String hides the value.
func (s Secret) String() string { return "***" }

// GoString hides the value.
func (s Secret) GoString() string { return "***" }

func (s Secret) set() bool { return s.Value != "" || s.File != "" }

// secretMax bounds the size of a file that holds a secret.
const secretMax = 64 << 10

// watched is a secret and what is known of its file.
//
// Concurrency: get may be called at any time.
type watched struct {
	secret  Secret
	mu      sync.Mutex
	looked  time.Time
	changed time.Time
	size    int64
	value   string
}

// get gives the value at present. A file that cannot be read at the moment
// leaves the last value in use; that there never was one is an error.
func (w *watched) get() (string, error) {
	if w.secret.File == "" {
		return w.secret.Value, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	info, err := os.Stat(w.secret.File)
	if err == nil && info.ModTime().Equal(w.changed) && info.Size() == w.size && time.Since(w.changed) > 2*time.Second {
		return w.value, nil
	}
	if err == nil {
		var raw []byte
		if raw, err = readFile(w.secret.File, secretMax); err == nil {
			// A file written by an editor or a secret store ends with a newline.
			w.value = strings.TrimRight(string(raw), "\r\n")
			w.changed, w.size, w.looked = info.ModTime(), info.Size(), time.Now()
			return w.value, nil
		}
	}
	if w.looked.IsZero() {
		return "", fmt.Errorf("secret file: %w", err)
	}
	return w.value, nil
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return raw, err
}

// access makes the Authorization header, anew for each attempt.
type access struct {
	user, password, apiKey, bearer watched
}

// header gives the header's value, empty when there are no credentials.
func (a *access) header() (string, error) {
	switch {
	case a.bearer.secret.set():
		v, err := a.bearer.get()
		return "Bearer " + v, err
	case a.apiKey.secret.set():
		v, err := a.apiKey.get()
		return "ApiKey " + v, err
	case a.user.secret.set():
		user, err := a.user.get()
		if err != nil {
			return "", err
		}
		password, err := a.password.get()
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)), err
	}
	return "", nil
}

// TLS says how connections are made secure.
type TLS struct {
	CAFile     string // certificates to trust instead of the system's
	CertFile   string // our own certificate, read again for new connections
	KeyFile    string
	SkipVerify bool   // trust anybody
	MinVersion uint16 // 0: TLS 1.2
}

// config makes the settings that crypto/tls takes.
func (t TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: t.MinVersion, InsecureSkipVerify: t.SkipVerify} //nolint:gosec // only when the user asks for it, of which Config.Warnings tells
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	if t.CAFile != "" {
		pem, err := readFile(t.CAFile, 16<<20)
		if err != nil {
			return nil, fmt.Errorf("CA file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(bytes.TrimSpace(pem)) {
			return nil, fmt.Errorf("CA file %s holds no certificate", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("a client certificate needs both its file and its key's file")
	}
	if t.CertFile != "" {
		load := func() (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("client certificate: %w", err)
			}
			return &cert, nil
		}
		if _, err := load(); err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	}
	return c, nil
}
