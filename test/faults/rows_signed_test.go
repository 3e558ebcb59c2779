package faults

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/seclog/seclog/plugin"
)

// rowsSigned are faults of signed requests.
func rowsSigned() []row {
	return []row{{24, "signed requests: a clock 20 minutes off, and a retry after 16 minutes", ofAccess, signedRequests}}
}

// gatekeeper checks signatures as Amazon does: against the secret, and the time of signing against its own clock.
type gatekeeper struct {
	creds           aws.Credentials
	region, service string
	now             func() time.Time

	mu     sync.Mutex
	dates  map[string]int // of signing
	reused int            // signatures that came twice
	seen   map[string]bool
}

const signedTime = "20060102T150405Z"

// check says why a request is not let in.
func (g *gatekeeper) check(r *http.Request, body []byte) error {
	given := r.Header.Get("Authorization")
	at, err := time.Parse(signedTime, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return errors.New("no date")
	}
	g.mu.Lock()
	g.dates[r.Header.Get("X-Amz-Date")]++
	if g.seen[given] {
		g.reused++
	}
	g.seen[given] = true
	g.mu.Unlock()
	if skew := g.now().Sub(at).Abs(); skew > 15*time.Minute {
		return fmt.Errorf("signed %s away from now", skew)
	}
	_, rest, ok := strings.Cut(given, "SignedHeaders=")
	names, _, ok2 := strings.Cut(rest, ",")
	if !ok || !ok2 {
		return errors.New("no signature")
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	again.Header = http.Header{}
	for _, name := range strings.Split(names, ";") {
		if v := r.Header.Values(name); len(v) > 0 {
			again.Header[http.CanonicalHeaderKey(name)] = v
		}
	}
	if !strings.Contains(names, "content-length") {
		again.ContentLength = 0
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(r.Context(), g.creds, again, hex.EncodeToString(sum[:]), g.service, g.region, at); err != nil {
		return err
	}
	if again.Header.Get("Authorization") != given {
		return errors.New("another signature")
	}
	return nil
}

// signedRequests has a server check signatures while the agent's clock is wrong, and while time passes between attempts.
func signedRequests(p *play) {
	c := newCourse(p.t, "fault-24-signed")
	c.t.Setenv("AWS_ACCESS_KEY_ID", "AKIAFAULTTEST")
	c.t.Setenv("AWS_SECRET_ACCESS_KEY", "planted-secret-of-the-signer")
	c.t.Setenv("AWS_SESSION_TOKEN", "")
	c.t.Setenv("AWS_PROFILE", "")
	// What the machine at hand has of its own is not asked.
	c.t.Setenv("AWS_CONFIG_FILE", filepath.Join(c.dir, "none"))
	c.t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(c.dir, "none"))
	c.t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	var passed, off atomic.Int64 // how far time is ahead, and the agent's clock behind it
	now := func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }
	g := &gatekeeper{
		creds:  aws.Credentials{AccessKeyID: "AKIAFAULTTEST", SecretAccessKey: "planted-secret-of-the-signer"},
		region: "eu-central-1", service: "es", now: now, dates: map[string]int{}, seen: map[string]bool{},
	}
	var down atomic.Bool
	var mu sync.Mutex
	why := map[string]int{}
	f := newFront(c.t, c.server.URL, nil)
	f.watch(func(w http.ResponseWriter, r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = g.check(r, body)
		}
		if err != nil {
			mu.Lock()
			why[strings.Fields(err.Error())[0]]++
			mu.Unlock()
			http.Error(w, `{"message":"Signature expired"}`, http.StatusForbidden)
			return false
		}
		if down.Load() {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return false
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return true
	})
	a := c.agent(f.url, map[string]string{"AWS_Auth": "On", "AWS_Region": "eu-central-1"}, func(o *plugin.Options) {
		o.Now = func() time.Time { return now().Add(-time.Duration(off.Load())) }
	})
	a.send(c.chunks(2, 50)...)
	c.drain(a, 2*schedulerCap)
	off.Store(int64(20 * time.Minute))
	a.send(c.chunks(2, 50)...)
	c.stuck(a, 2, time.Second)
	off.Store(0)
	c.drain(a, 2*schedulerCap)
	down.Store(true)
	a.send(c.chunks(2, 50)...)
	c.stuck(a, 2, time.Second)
	passed.Store(int64(16 * time.Minute))
	down.Store(false)
	took := c.drain(a, 2*schedulerCap)
	mu.Lock()
	defer mu.Unlock()
	if why["signed"] == 0 || len(why) > 1 {
		c.t.Errorf("requests were refused for %v, want only those signed with a wrong clock", why)
	}
	if c.told("planted-secret") > 0 {
		c.t.Error("the secret is in the log")
	}
	c.exact(0, len(g.seen), "signatures on", len(g.dates), "dates,", g.reused, "used twice within one second;", why, "refused; recovered", took.Round(time.Millisecond))
}
