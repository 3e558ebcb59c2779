package opensearch_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
)

// Credentials that are planted, and must not show.
const (
	accessKey, secretKey, sessionToken = "AKIASECLOGPLANTED", "planted-aws-secret", "planted-aws-token"
	signedTime                         = "20060102T150405Z"
)

// noAWS makes the environment hold only what a test puts there.
func noAWS(t *testing.T, pairs ...string) {
	t.Helper()
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} {
		t.Setenv(name, "")
	}
	none := pathIn(t, "none")
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for i := 0; i < len(pairs); i += 2 {
		t.Setenv(pairs[i], pairs[i+1])
	}
}

// withKeys puts long-lived credentials into the environment.
func withKeys(t *testing.T, pairs ...string) {
	t.Helper()
	noAWS(t, append([]string{"AWS_ACCESS_KEY_ID", accessKey, "AWS_SECRET_ACCESS_KEY", secretKey, "AWS_REGION", "eu-central-1"}, pairs...)...)
}

// clock is a time that tests move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// canonical is the signature of a request as Amazon's documents describe it,
// written anew, so that the signer is not checked with itself.
func canonical(r *http.Request, body []byte, secret, region, service string) string {
	mac := func(key []byte, text string) []byte {
		m := hmac.New(sha256.New, key)
		_, _ = io.WriteString(m, text)
		return m.Sum(nil)
	}
	sum := func(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) }
	escape := func(s string) string {
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			if c := s[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		return b.String()
	}
	path := strings.Split(r.URL.EscapedPath(), "/")
	for i := range path {
		path[i] = escape(path[i])
	}
	var query []string
	for k, vs := range r.URL.Query() {
		for _, v := range vs {
			query = append(query, escape(k)+"="+escape(v))
		}
	}
	slices.Sort(query)
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	names, _, _ := strings.Cut(rest, ",")
	var headers strings.Builder
	for _, n := range strings.Split(names, ";") {
		v := strings.Join(r.Header.Values(n), ",")
		if n == "host" {
			v = r.Host
		}
		fmt.Fprintf(&headers, "%s:%s\n", n, strings.TrimSpace(v))
	}
	text := strings.Join([]string{r.Method, strings.Join(path, "/"), strings.Join(query, "&"), headers.String(), names, sum(body)}, "\n")
	at := r.Header.Get("X-Amz-Date")
	scope := strings.Join([]string{at[:min(8, len(at))], region, service, "aws4_request"}, "/")
	key := []byte("AWS4" + secret)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, strings.Join([]string{"AWS4-HMAC-SHA256", at, scope, sum([]byte(text))}, "\n")))
}

// amazon is a server that lets in who signs as it wants.
type amazon struct {
	*httptest.Server
	index           *index
	region, service string
	now             func() time.Time

	mu     sync.Mutex
	creds  aws.Credentials // that it knows
	before func(n int) int // status that is answered instead, after the signature was checked; 0: none
	dates  []string
	why    []string // it did not let in
	n      int
}

func newAmazon(t *testing.T, now func() time.Time) *amazon {
	t.Helper()
	a := &amazon{index: &index{docs: map[string]string{}}, region: "eu-central-1", service: "es", now: now, creds: aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *amazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	a.mu.Lock()
	a.n++
	n, before := a.n, a.before
	a.dates = append(a.dates, r.Header.Get("X-Amz-Date"))
	err = a.check(r, body)
	if err != nil {
		a.why = append(a.why, err.Error())
	}
	a.mu.Unlock()
	if err != nil {
		w.Header().Set("X-Amzn-Errortype", "InvalidSignatureException")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"message":"%s %s"}`, err, r.Header.Get("Authorization"))
		return
	}
	if before != nil {
		if status := before(n); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	a.index.ServeHTTP(w, r)
}

// check says why a request is not let in.
func (a *amazon) check(r *http.Request, body []byte) error {
	at, err := time.Parse(signedTime, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return errors.New("no date")
	}
	if skew := a.now().Sub(at).Abs(); skew > 5*time.Minute {
		return fmt.Errorf("the clock is off by %s", skew)
	}
	given := r.Header.Get("Authorization")
	if !strings.Contains(given, "Credential="+a.creds.AccessKeyID+"/") || r.Header.Get("X-Amz-Security-Token") != a.creds.SessionToken {
		return errors.New("other credentials")
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if r.Header.Get("X-Amz-Content-Sha256") != hash {
		return errors.New("another body")
	}
	_, signature, _ := strings.Cut(given, "Signature=")
	if want := canonical(r, body, a.creds.SecretAccessKey, a.region, a.service); signature != want {
		return errors.New("another signature")
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return err
	}
	if v := r.Header.Get("Content-Type"); v != "" {
		again.Header.Set("Content-Type", v)
	}
	again.Header.Set("X-Amz-Content-Sha256", hash)
	if err := v4.NewSigner().SignHTTP(r.Context(), a.creds, again, hash, a.service, a.region, at); err != nil {
		return err
	}
	if again.Header.Get("Authorization") != given {
		return errors.New("another signature than the SDK's")
	}
	if strings.Contains(given, "content-length") {
		return errors.New("Content-Length is signed, which OpenSearch Serverless does not take")
	}
	return nil
}

// Every attempt is signed anew, with the time that it has by then, over the body
// that it brings.
func TestSign_EachAttempt(t *testing.T) {
	for name, tt := range map[string]struct {
		o    opensearch.Options
		path string
		env  []string
	}{
		"plain":             {},
		"compressed":        {o: opensearch.Options{Gzip: true}},
		"session":           {env: []string{"AWS_SESSION_TOKEN", sessionToken}},
		"Serverless":        {o: opensearch.Options{AWS: opensearch.AWS{Service: "aoss"}}},
		"other region":      {o: opensearch.Options{AWS: opensearch.AWS{Region: "us-gov-west-1"}}},
		"path and pipeline": {o: opensearch.Options{Pipeline: "a+b c"}, path: "/one/t%20wo/dr%C3%A9i"},
	} {
		t.Run(name, func(t *testing.T) {
			withKeys(t, tt.env...)
			var time0 clock
			a := newAmazon(t, time0.now)
			a.region, a.service = cmp.Or(tt.o.AWS.Region, a.region), cmp.Or(tt.o.AWS.Service, a.service)
			if tt.env != nil {
				a.creds.SessionToken = sessionToken
			}
			a.before = func(n int) int {
				if n < 3 {
					time0.pass(16 * time.Minute)
					return http.StatusServiceUnavailable
				}
				return 0
			}
			tt.o.Hosts, tt.o.Now, tt.o.AWS.Auth = []string{a.URL + tt.path}, time0.now, true
			c := client(t, tt.o)
			b := batch(c, 4, 100)
			var ans deliver.Answer
			c.Send(context.Background(), &deliver.Request{
				Body: b.Body, Docs: b.Docs, Which: []int32{0, 2, 3}, Timeout: 5 * time.Second,
				RetryWaitMin: time.Millisecond, RetryWaitMax: time.Millisecond, RetryUntil: time.Now().Add(time.Hour),
			}, &ans)
			if ans.Verdict != deliver.Items || ans.Attempts != 3 || len(a.index.docs) != 3 {
				t.Fatalf("%+v; %d documents; %q", ans, len(a.index.docs), a.why)
			}
			for i := 1; i < len(a.dates); i++ {
				x, errX := time.Parse(signedTime, a.dates[i-1])
				y, errY := time.Parse(signedTime, a.dates[i])
				if d := y.Sub(x); errX != nil || errY != nil || d < 15*time.Minute || d > 17*time.Minute {
					t.Errorf("dates of signing: %q, want 16 minutes between", a.dates)
				}
			}
			// Reading dead letters is signed as well, with a body in a GET or POST.
			l, err := c.Letters("dead-*", 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			n := len(a.dates)
			_, _ = l.Next(context.Background()) // the server has no letters to give
			if len(a.dates) == n || len(a.why) > 0 {
				t.Errorf("%d requests to read letters, not let in: %q", len(a.dates)-n, a.why)
			}
		})
	}
}

// A clock that is off is for somebody to mend: asked once, nothing lost.
func TestSign_ClockOff(t *testing.T) {
	withKeys(t)
	var here clock
	a := newAmazon(t, time.Now)
	c := client(t, opensearch.Options{Hosts: []string{a.URL}, Now: here.now, AWS: opensearch.AWS{Auth: true}})
	for _, off := range []time.Duration{20 * time.Minute, -40 * time.Minute} {
		here.pass(off)
		ans := sendAt(c, here.now)
		if ans.Verdict != deliver.Refused || ans.Status != http.StatusForbidden || ans.Attempts != 1 {
			t.Errorf("off by %v: %+v", off, ans)
		}
		if s := fmt.Sprintf("%+v", ans); strings.Contains(s, accessKey) || strings.Contains(s, "Signature") {
			t.Errorf("the answer's text is kept: %s", s)
		}
	}
	here.pass(20 * time.Minute)
	arrives(t, c, "clock mended")
}

// sendAt sends one document by another clock.
func sendAt(c *opensearch.Client, now func() time.Time) deliver.Answer {
	b := batch(c, 1, 50_000)
	var ans deliver.Answer
	c.Send(context.Background(), &deliver.Request{
		Body: b.Body, Docs: b.Docs, Which: []int32{0}, Timeout: 300 * time.Millisecond,
		RetryWaitMin: time.Millisecond, RetryWaitMax: 5 * time.Millisecond, RetryUntil: now().Add(200 * time.Millisecond),
	}, &ans)
	return ans
}

// lyingSTS gives temporary credentials, or does what it is told to.
type lyingSTS struct {
	*httptest.Server
	mu    sync.Mutex
	fault string
	life  time.Duration
	now   func() time.Time
	calls []url.Values
	a     *amazon
	hold  chan struct{}
}

func (s *lyingSTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, r.PostForm)
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>`, code, r.PostForm.Get("ExternalId"))
	}
	switch s.fault {
	case "denied":
		refuse(http.StatusForbidden, "AccessDenied")
	case "throttled":
		refuse(http.StatusBadRequest, "Throttling")
	case "down":
		refuse(http.StatusServiceUnavailable, "ServiceUnavailable")
	case "garbage":
		_, _ = io.WriteString(w, "<html>\x1b[31m")
	case "hangs":
		s.mu.Unlock()
		select {
		case <-s.hold:
		case <-r.Context().Done():
		}
		s.mu.Lock()
	default:
		token := fmt.Sprintf("%s-%d", sessionToken, len(s.calls))
		s.a.mu.Lock()
		s.a.creds = aws.Credentials{AccessKeyID: "ASIA" + accessKey, SecretAccessKey: secretKey + "-temporary", SessionToken: token}
		s.a.mu.Unlock()
		fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA%s</AccessKeyId><SecretAccessKey>%s-temporary</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
			accessKey, secretKey, token, s.now().Add(s.life).UTC().Format(time.RFC3339))
	}
}

func (s *lyingSTS) set(fault string) {
	s.mu.Lock()
	s.fault = fault
	s.mu.Unlock()
}

func (s *lyingSTS) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// A role is assumed with its external id, again before the credentials expire; a
// service that gives none makes documents wait, and no longer than a request may
// take.
func TestSign_Role(t *testing.T) {
	withKeys(t)
	var time0 clock
	a := newAmazon(t, time0.now)
	s := &lyingSTS{a: a, now: time0.now, life: 15 * time.Minute, hold: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	defer s.Close()
	defer close(s.hold)
	const role, external = "arn:aws:iam::123456789012:role/logs/seclog", "planted-external-id"
	c := client(t, opensearch.Options{
		Hosts: []string{a.URL}, Now: time0.now,
		AWS: opensearch.AWS{Auth: true, RoleARN: role, ExternalID: opensearch.Secret{Value: external}, STSEndpoint: s.URL},
	})
	taken := func(when string) {
		t.Helper()
		if ans := sendAt(c, time0.now); ans.Verdict != deliver.Items {
			t.Errorf("%s: %+v; %q", when, ans, a.why)
		}
	}
	calls := func(want int, when string) {
		t.Helper()
		if n := s.count(); n != want {
			t.Errorf("%s: %d calls, want %d", when, n, want)
		}
	}
	taken("first")
	taken("second")
	calls(1, "at first")
	if q := s.calls[0]; q.Get("Action") != "AssumeRole" || q.Get("RoleArn") != role || q.Get("ExternalId") != external || q.Get("RoleSessionName") != "seclog" {
		t.Errorf("asked for %v", q)
	}
	time0.pass(12 * time.Minute)
	taken("while good")
	calls(1, "while good")
	s.set("down")
	time0.pass(90 * time.Second)
	taken("nearly expired, none to be had")
	taken("nearly expired, not asked again at once")
	calls(2, "nearly expired")
	s.set("")
	time0.pass(11 * time.Second)
	taken("nearly expired")
	calls(3, "renewed")

	for fault, tt := range map[string]struct {
		cause   string
		verdict deliver.Verdict
		once    bool
	}{
		"down":      {"AWS credentials: refused (status 503, ServiceUnavailable)", deliver.NoAnswer, false},
		"throttled": {"AWS credentials: refused (status 400, Throttling)", deliver.NoAnswer, false},
		"denied":    {"AWS credentials: refused (status 403, AccessDenied)", deliver.Refused, true},
		"hangs":     {"AWS credentials: timeout", deliver.NoAnswer, true},
		"garbage":   {"", deliver.NoAnswer, false},
	} {
		s.set(fault)
		time0.pass(time.Hour) // expired
		began, n := time.Now(), s.count()
		ans := sendAt(c, time0.now)
		if ans.Verdict != tt.verdict || tt.cause != "" && ans.Cause != tt.cause || !strings.HasPrefix(ans.Cause, "AWS credentials: ") {
			t.Errorf("%s: %+v", fault, ans)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("%s: took %v", fault, d)
		}
		if got := s.count() - n; tt.once && got > 2 || !tt.once && got < 2 {
			t.Errorf("%s: asked %d times", fault, got)
		}
		if text := fmt.Sprintf("%+v", ans); strings.Contains(text, "planted") {
			t.Errorf("%s: shown: %s", fault, text)
		}
		s.set("")
		taken("after " + fault)
	}
	if len(a.why) > 0 {
		t.Errorf("not let in: %q", a.why)
	}
}

// Credentials that are refused are looked for anew: the shared file may have
// others by now.
func TestSign_FileRotated(t *testing.T) {
	file := pathIn(t, "credentials")
	write := func(secret string) {
		put(t, file, fmt.Appendf(nil, "[logs]\naws_access_key_id = %s\naws_secret_access_key = %s\nregion = eu-central-1\n", accessKey, secret))
	}
	noAWS(t, "AWS_SHARED_CREDENTIALS_FILE", file)
	write(secretKey)
	var time0 clock
	a := newAmazon(t, time0.now)
	c := client(t, opensearch.Options{Hosts: []string{a.URL}, Now: time0.now, AWS: opensearch.AWS{Auth: true, Profile: "logs"}})
	arrives(t, c, "first")
	a.mu.Lock()
	a.creds.SecretAccessKey = "planted-new"
	a.mu.Unlock()
	if ans := sendAt(c, time0.now); ans.Verdict != deliver.Refused || ans.Attempts != 1 {
		t.Errorf("rotated at the server: %+v", ans)
	}
	write("planted-new")
	time0.pass(11 * time.Second)
	if ans := sendAt(c, time0.now); ans.Verdict != deliver.Items {
		t.Errorf("rotated in the file: %+v", ans)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	time0.pass(time.Hour)
	if ans := sendAt(c, time0.now); ans.Verdict != deliver.Items {
		t.Errorf("file removed, credentials good: %+v", ans)
	}
}

// Settings that cannot be used are refused at start, without what they hold.
func TestSign_RefusedAtStart(t *testing.T) {
	secret := opensearch.Secret{Value: "hunter2"}
	for name, tt := range map[string]struct {
		o    opensearch.Options
		env  []string
		want string
	}{
		"no region":           {opensearch.Options{}, []string{"AWS_REGION", ""}, "AWS_REGION"},
		"region of nowhere":   {opensearch.Options{AWS: opensearch.AWS{Region: "x\ny"}}, nil, "region"},
		"no such profile":     {opensearch.Options{AWS: opensearch.AWS{Profile: "nobody"}}, nil, "profile"},
		"a service of others": {opensearch.Options{AWS: opensearch.AWS{Service: "s3"}}, nil, "neither es nor aoss"},
		"no ARN":              {opensearch.Options{AWS: opensearch.AWS{RoleARN: "seclog"}}, nil, "no ARN"},
		"id without role":     {opensearch.Options{AWS: opensearch.AWS{ExternalID: secret}}, nil, "needs a role"},
		"STS in the clear":    {opensearch.Options{AWS: opensearch.AWS{STSEndpoint: "http://sts.example"}}, nil, "https"},
		"STS with a user":     {opensearch.Options{AWS: opensearch.AWS{STSEndpoint: "https://u:hunter2@sts"}}, nil, "https"},
		"a user too":          {opensearch.Options{User: secret, Password: secret}, nil, "no user"},
		"a token too":         {opensearch.Options{Bearer: secret}, nil, "no user"},
	} {
		t.Run(name, func(t *testing.T) {
			withKeys(t, tt.env...)
			tt.o.Hosts, tt.o.AWS.Auth = []string{"https://h"}, true
			_, err := opensearch.New(tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v, want in it %q", err, tt.want)
			}
		})
	}
}

// Where nobody has credentials, documents wait.
func TestSign_NoCredentials(t *testing.T) {
	noAWS(t)
	a := newAmazon(t, time.Now)
	c := client(t, opensearch.Options{Hosts: []string{a.URL}, AWS: opensearch.AWS{Auth: true, Region: "eu-central-1"}})
	if ans := sendAt(c, time.Now); ans.Verdict != deliver.NoAnswer || ans.Cause != "AWS credentials: none are found" || a.n != 0 {
		t.Errorf("%+v; %d requests", ans, a.n)
	}
}
