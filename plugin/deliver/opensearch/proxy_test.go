package opensearch_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
)

// forwarder is an HTTP proxy that opens tunnels and carries plain requests, or
// does what it is told to.
type forwarder struct {
	*httptest.Server
	mu       sync.Mutex
	fault    string
	user     string // "user:password" that it asks for
	tunnels  int
	carried  int
	direct   http.Transport
	open     []net.Conn
	tunneled sync.WaitGroup
}

func newForwarder(t *testing.T, user string) *forwarder {
	t.Helper()
	f := &forwarder{user: user}
	f.Server = httptest.NewServer(f)
	t.Cleanup(func() {
		f.cut()
		f.Close()
		f.tunneled.Wait()
		f.direct.CloseIdleConnections()
	})
	return f
}

// address is the proxy's URL with its user.
func (f *forwarder) address() opensearch.ProxyURL {
	return opensearch.ProxyURL(strings.Replace(f.URL, "://", "://"+f.user+"@", 1))
}

func (f *forwarder) set(fault string) {
	f.mu.Lock()
	f.fault = fault
	f.mu.Unlock()
	f.cut()
	f.CloseClientConnections()
	time.Sleep(20 * time.Millisecond) // the client finds out
}

// cut ends all tunnels.
func (f *forwarder) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.open {
		_ = c.Close()
	}
	f.open = nil
}

func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	fault := f.fault
	f.mu.Unlock()
	if f.user != "" && r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(f.user)) {
		fault = "407"
	}
	switch fault {
	case "407", "403", "502", "302":
		w.Header().Set("Proxy-Authenticate", `Basic realm="planted `+r.Header.Get("Proxy-Authorization")+`"`)
		w.Header().Set("Location", "http://"+r.Host)
		status := 0
		_, _ = fmt.Sscan(fault, &status)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "planted "+r.Header.Get("Proxy-Authorization"))
		return
	case "garbage", "hangs up", "silent":
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		if fault == "silent" {
			_, _ = io.Copy(io.Discard, c) // until the client has gone
		}
		if fault == "garbage" {
			_, _ = io.WriteString(c, "planted \x1b[31m "+r.Header.Get("Proxy-Authorization")+"\r\n\r\n")
		}
		_ = c.Close()
		return
	}
	if r.Method != http.MethodConnect {
		f.mu.Lock()
		f.carried++
		f.mu.Unlock()
		r.RequestURI = ""
		r.Header.Del("Proxy-Authorization")
		res, err := f.direct.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
		return
	}
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	c, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		_ = to.Close()
		return
	}
	f.mu.Lock()
	f.tunnels++
	f.open = append(f.open, c, to)
	f.mu.Unlock()
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	limit := int64(1) << 40
	if fault == "dies in the tunnel" {
		limit = 9000 // in the middle of the body
	}
	f.tunneled.Add(2)
	carry := func(dst net.Conn, src io.Reader) {
		defer f.tunneled.Done()
		_, _ = io.Copy(dst, io.LimitReader(src, limit))
		_ = c.Close()
		_ = to.Close()
	}
	go carry(to, bufio.NewReader(io.MultiReader(io.LimitReader(buffered, int64(buffered.Reader.Buffered())), c)))
	go carry(c, to)
}

// A proxy's faults make documents wait, with a cause in words of ours; what asks
// for other credentials is asked once. When it is mended all arrives.
func TestProxy_Faults(t *testing.T) {
	const user = "planted-user:planted-password"
	a := newAuthority(t, "a")
	cert, key := a.issue(t, "127.0.0.1", -day, day)
	ca := pathIn(t, "ca")
	put(t, ca, a.pem)
	type want struct {
		fault, cause string
		verdict      deliver.Verdict
		status       int
		once         bool
	}
	for name, faults := range map[string][]want{
		"https": {
			{"407", "the proxy wants other credentials", deliver.Refused, 407, true},
			{"403", "the proxy opens no tunnel (status 403)", deliver.NoAnswer, 0, false},
			{"502", "the proxy opens no tunnel (status 502)", deliver.NoAnswer, 0, false},
			{"302", "the proxy opens no tunnel (status 302)", deliver.NoAnswer, 0, false},
			{"garbage", "what answers speaks no HTTP", deliver.NoAnswer, 0, false},
			{"hangs up", "connection closed|connection reset", deliver.NoAnswer, 0, false},
			{"silent", "timeout", deliver.NoAnswer, 0, true},
			{"dies in the tunnel", "connection closed|connection reset", deliver.NoAnswer, 0, false},
		},
		"http": {
			{"407", "", deliver.Refused, 407, true},
			{"502", "", deliver.NoAnswer, 502, false},
			{"302", "redirect, which is not followed", deliver.NoAnswer, 302, true},
			// The body is still being written when the connection ends.
			{"garbage", "what answers speaks no HTTP|connection closed|connection reset", deliver.NoAnswer, 0, false},
			{"hangs up", "connection closed|connection reset", deliver.NoAnswer, 0, false},
			{"silent", "timeout", deliver.NoAnswer, 0, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
			t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
			t.Setenv("NO_PROXY", "*")
			f := newForwarder(t, user)
			x := &index{docs: map[string]string{}}
			host := ""
			if name == "https" {
				host = newSecured(t, x, settings(t, cert, key)).URL
			} else {
				srv := httptest.NewServer(x)
				defer srv.Close()
				host = srv.URL
			}
			c := client(t, opensearch.Options{Hosts: []string{host}, TLS: opensearch.TLS{CAFile: ca}, Proxy: f.address()})
			arrives(t, c, "at first")
			if f.tunnels+f.carried != 1 || (f.tunnels == 1) != (name == "https") {
				t.Errorf("%d tunnels, %d requests carried", f.tunnels, f.carried)
			}
			for _, w := range faults {
				f.set(w.fault)
				before, began := x.seen, time.Now()
				ans := sendAt(c, time.Now)
				if ans.Verdict != w.verdict || w.cause != "" && !slices.Contains(strings.Split(w.cause, "|"), ans.Cause) || ans.Status != w.status || w.once && ans.Attempts != 1 || !w.once && ans.Attempts < 2 {
					t.Errorf("%s: %+v", w.fault, ans)
				}
				if d := time.Since(began); d > 2*time.Second {
					t.Errorf("%s: took %v", w.fault, d)
				}
				if x.seen != before {
					t.Errorf("%s: the host was reached", w.fault)
				}
				if s := fmt.Sprintf("%+v", ans); strings.Contains(s, "planted") || strings.Contains(s, "cGxhbnRlZC") {
					t.Errorf("%s: shown: %s", w.fault, s)
				}
				f.set("")
				arrives(t, c, "after "+w.fault)
			}
		})
	}
}

// A proxy that is not there is told apart from a host that is not.
func TestProxy_Gone(t *testing.T) {
	f := newForwarder(t, "u:p")
	f.Close()
	for _, scheme := range []string{"http", "https"} {
		c := client(t, opensearch.Options{Hosts: []string{scheme + "://127.0.0.1:9"}, Proxy: f.address()})
		if ans := sendAt(c, time.Now); ans.Verdict != deliver.NoAnswer || ans.Cause != "the proxy: connection refused" || ans.Attempts < 2 {
			t.Errorf("%s: %+v", scheme, ans)
		}
	}
}

// Wrong credentials for the proxy are refused with both kinds of hosts, and a
// proxy without any takes none.
func TestProxy_Credentials(t *testing.T) {
	srv := httptest.NewServer(&index{docs: map[string]string{}})
	defer srv.Close()
	open, closed := newForwarder(t, ""), newForwarder(t, "user:p@ss/w:rd")
	named := strings.Replace(closed.URL, "://", "://user:"+url.QueryEscape("p@ss/w:rd")+"@", 1)
	arrives(t, client(t, opensearch.Options{Hosts: []string{srv.URL}, Proxy: opensearch.ProxyURL(open.URL)}), "no credentials")
	arrives(t, client(t, opensearch.Options{Hosts: []string{srv.URL}, Proxy: opensearch.ProxyURL(named)}), "escaped credentials")
	for _, host := range []string{srv.URL, "https://127.0.0.1:9"} {
		c := client(t, opensearch.Options{Hosts: []string{host}, Proxy: opensearch.ProxyURL(closed.URL)})
		if ans := send(t, c); ans.Verdict != deliver.Refused || ans.Status != http.StatusProxyAuthRequired || ans.Attempts != 1 {
			t.Errorf("%s: %+v", host, ans)
		}
	}
}

// Without the key no proxy is used, whatever the environment says, and services
// of this machine that give credentials are never asked through one.
func TestProxy_NotUsed(t *testing.T) {
	f := newForwarder(t, "")
	t.Setenv("HTTP_PROXY", f.URL)
	t.Setenv("http_proxy", f.URL)
	withKeys(t)
	a := newAmazon(t, time.Now)
	s := &lyingSTS{a: a, now: time.Now, life: time.Hour}
	s.Server = httptest.NewServer(s)
	defer s.Close()
	o := opensearch.Options{Hosts: []string{a.URL}, AWS: opensearch.AWS{Auth: true, RoleARN: "arn:aws:iam::123456789012:role/x", STSEndpoint: s.URL}}
	arrives(t, client(t, o), "without the key")
	if f.carried+f.tunnels != 0 {
		t.Error("the environment's proxy was used")
	}
	o.Proxy = opensearch.ProxyURL(f.URL)
	arrives(t, client(t, o), "with the key")
	if f.carried != 1 || s.count() != 2 {
		t.Errorf("%d requests through the proxy and %d for credentials, want 1 and 2", f.carried, s.count())
	}
}

// What is no proxy's URL is refused, without what it holds.
func TestProxy_RefusedAtStart(t *testing.T) {
	for _, p := range []opensearch.ProxyURL{"socks5://u:hunter2@p", "u:hunter2@p:3128", "http://u:hunter2@", "http://u:hunter2@p/x", "http://u:hunter2@p?x", "http://u:hunter2@[::1", "http://u:hunter2%zz@p"} {
		_, err := opensearch.New(opensearch.Options{Hosts: []string{"https://h"}, Proxy: p})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", string(p), err)
		}
	}
}
