package opensearch_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// planted stands in documents and in the server's reasons; it must not show in
// any log line.
const planted = "SECRET-4111"

// index plays a server: it holds documents by index and id, and answers as it
// is told to.
type index struct {
	mu       sync.Mutex
	docs     map[string]string // "index/id": document
	seen     int               // times a document arrived
	requests int
	// item judges a document before it is taken: 0 takes it.
	item func(request int, name, id, doc string) (status int, typ string)
	// whole answers a request itself when it returns true.
	whole func(request int, w http.ResponseWriter, r *http.Request, body []byte) bool
	// change changes the answer before it is written.
	change func(request int, answer string) string
}

func (x *index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.requests++
	in := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, "no gzip", http.StatusBadRequest)
			return
		}
		in = z
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return // the client has gone
	}
	if x.whole != nil && x.whole(x.requests, w, r, body) {
		return
	}
	reasons := strings.Contains(r.URL.Query().Get("filter_path"), "reason")
	var items []string
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var action map[string]struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
		}
		if json.Unmarshal(lines.Bytes(), &action) != nil || !lines.Scan() || !json.Valid(lines.Bytes()) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":{"type":"json_e_o_f_exception","reason":%q},"status":400}`, planted)
			return
		}
		for op, a := range action {
			x.seen++
			status, typ := 0, ""
			if x.item != nil {
				status, typ = x.item(x.requests, a.Index, a.ID, lines.Text())
			}
			if status == 0 {
				status = 201
				if _, there := x.docs[a.Index+"/"+a.ID]; there {
					status, typ = 409, "version_conflict_engine_exception"
				} else {
					x.docs[a.Index+"/"+a.ID] = lines.Text()
				}
			}
			if typ == "" {
				items = append(items, fmt.Sprintf(`{%q:{"status":%d}}`, op, status))
				continue
			}
			reason := ""
			if typ, said, _ := strings.Cut(typ, "|"); reasons {
				reason = fmt.Sprintf(`,"reason":%q`, said+planted)
				items = append(items, fmt.Sprintf(`{%q:{"error":{"type":%q%s},"status":%d}}`, op, typ, reason, status))
			} else {
				items = append(items, fmt.Sprintf(`{%q:{"error":{"type":%q},"status":%d}}`, op, typ, status))
			}
		}
	}
	answer := fmt.Sprintf(`{"errors":false,"items":[%s]}`, strings.Join(items, ","))
	if x.change != nil {
		answer = x.change(x.requests, answer)
	}
	_, _ = io.WriteString(w, answer)
}

// batch makes n numbered documents, half of them for index a, half for b.
func batch(c *opensearch.Client, n, pad int) *deliver.Batch {
	b := &deliver.Batch{Tag: "kube.x", RuleVersion: "v1"}
	for i := range n {
		doc := deliver.Doc{Off: len(b.Body), Index: "a", Place: int32(i), Sec: 1700000000}
		if i >= (n+1)/2 {
			doc.Index = "b"
		}
		copy(doc.ID[:], fmt.Sprintf("%020d", i))
		b.Body = c.Frame(b.Body, doc.Index, string(doc.ID[:]))
		doc.JSONOff = len(b.Body)
		b.Body = fmt.Appendf(b.Body, "{\"n\":%d,\"log\":%q}\n", i, planted+strings.Repeat("x", pad))
		doc.End = len(b.Body)
		b.Docs = append(b.Docs, doc)
	}
	return b
}

// once answers 200 with a text to the first request only.
func once(text string) func(int, http.ResponseWriter, *http.Request, []byte) bool {
	return func(n int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		if n == 1 {
			_, _ = io.WriteString(w, text)
		}
		return n == 1
	}
}

func first(f func(w http.ResponseWriter, r *http.Request)) func(int, http.ResponseWriter, *http.Request, []byte) bool {
	return func(n int, w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if n == 1 {
			f(w, r)
		}
		return n == 1
	}
}

func reset(w http.ResponseWriter, after string) {
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = buf.WriteString(after)
	_ = buf.Flush()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func silent(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func TestFaults(t *testing.T) {
	const n = 20
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 32 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer other.Close()
	redirect := func(code int) func(*index) {
		return func(x *index) {
			x.whole = func(_ int, w http.ResponseWriter, r *http.Request, _ []byte) bool {
				w.Header().Set("Location", other.URL)
				w.WriteHeader(code)
				return true
			}
		}
	}
	throttle := func(after string) func(*index) {
		return func(x *index) {
			x.whole = first(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", after)
				w.WriteHeader(http.StatusTooManyRequests)
			})
		}
	}
	always := func(status int, text string) func(*index) {
		return func(x *index) {
			x.whole = func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, text)
				return true
			}
		}
	}
	oneItem := func(place, status int, typ string) func(*index) {
		return func(x *index) {
			x.item = func(_ int, name, id, _ string) (int, string) {
				if v, _ := strconv.Atoi(id); v == place && name != "dead" {
					return status, typ
				}
				return 0, ""
			}
		}
	}
	indexA := func(status int, typ string) func(*index) {
		return func(x *index) {
			x.item = func(_ int, name, _, _ string) (int, string) {
				if name == "a" {
					return status, typ
				}
				return 0, ""
			}
		}
	}
	all := deliver.SendResult{Delivered: n}
	none := deliver.SendResult{Waiting: n}
	refused := deliver.SendResult{Blocked: n}
	half := deliver.SendResult{Delivered: n / 2, Blocked: n / 2}
	oneDead := deliver.SendResult{Delivered: n - 1, Dead: 1}
	tests := []struct {
		name     string
		fault    func(*index)
		want     deliver.SendResult
		requests int // 0: any number
		seen     int // documents that arrived, 0: any number
		heal     bool
		gzip     bool
		timeout  time.Duration
	}{
		{name: "no fault", fault: func(*index) {}, want: all, requests: 1, seen: n},
		{name: "no fault, compressed", fault: func(*index) {}, want: all, requests: 1, seen: n, gzip: true},
		{name: "4 reset before the answer", fault: func(x *index) { x.whole = first(func(w http.ResponseWriter, _ *http.Request) { reset(w, "") }) }, want: all},
		{name: "4 reset in the answer", fault: func(x *index) {
			x.whole = first(func(w http.ResponseWriter, _ *http.Request) {
				reset(w, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"errors\":false,\"it")
			})
		}, want: all},
		{name: "5 no answer", fault: func(x *index) {
			x.whole = func(_ int, _ http.ResponseWriter, r *http.Request, _ []byte) bool { <-r.Context().Done(); return true }
		}, want: none, heal: true, timeout: 150 * time.Millisecond},
		{name: "5 drip", fault: func(x *index) {
			x.whole = func(_ int, w http.ResponseWriter, r *http.Request, _ []byte) bool {
				for r.Context().Err() == nil {
					_, _ = io.WriteString(w, " ")
					_ = http.NewResponseController(w).Flush()
					time.Sleep(20 * time.Millisecond)
				}
				return true
			}
		}, want: none, heal: true, timeout: 150 * time.Millisecond},
		{name: "6 headers, then silence", fault: func(x *index) {
			x.whole = func(_ int, w http.ResponseWriter, r *http.Request, _ []byte) bool { silent(w, r); return true }
		}, want: none, heal: true, timeout: 150 * time.Millisecond},
		{name: "7 cut JSON", fault: func(x *index) { x.change = func(n int, a string) string { return a[:len(a)-min(n%2*9, len(a))] } }, want: all, requests: 2, seen: 2 * n},
		{name: "7 empty object", fault: func(x *index) { x.whole = once("{}") }, want: all, requests: 2},
		{name: "7 empty", fault: func(x *index) { x.whole = once("") }, want: all, requests: 2},
		{name: "7 page", fault: func(x *index) { x.whole = once("<html>" + planted) }, want: all, requests: 2},
		{name: "7 page for ever", fault: always(200, "<html>"+planted), want: none, heal: true},
		{name: "8 fewer items", fault: func(x *index) {
			x.change = func(n int, a string) string {
				if n == 1 {
					return strings.Replace(a, `{"create":{"status":201}},`, "", 1)
				}
				return a
			}
		}, want: all, requests: 2},
		{name: "8 more items", fault: func(x *index) {
			x.change = func(n int, a string) string {
				if n == 1 {
					return strings.Replace(a, `{"create":{"status":201}},`, `{"create":{"status":201}},{"create":{"status":201}},`, 1)
				}
				return a
			}
		}, want: all, requests: 2},
		{name: "8 other operation", fault: func(x *index) {
			x.change = func(n int, a string) string {
				if n == 1 {
					return strings.ReplaceAll(a, "create", "index")
				}
				return a
			}
		}, want: all, requests: 2},
		{name: "9 errors false, but one", fault: oneItem(3, 400, "mapper_parsing_exception"), want: oneDead, requests: 2},
		{name: "10 redirect 301", fault: redirect(301), want: none, heal: true},
		{name: "10 redirect 302", fault: redirect(302), want: none, heal: true},
		{name: "10 redirect 307", fault: redirect(307), want: none, heal: true},
		{name: "10 redirect 308", fault: redirect(308), want: none, heal: true},
		{name: "11 Retry-After 0", fault: throttle("0"), want: all, requests: 2},
		{name: "11 Retry-After 5", fault: throttle("5"), want: all, requests: 2},
		{name: "11 Retry-After 86400", fault: throttle("86400"), want: all, requests: 2},
		{name: "11 Retry-After negative", fault: throttle("-1"), want: all, requests: 2},
		{name: "11 Retry-After huge", fault: throttle("99999999999999999999999"), want: all, requests: 2},
		{name: "11 Retry-After overflow", fault: throttle("9223372036854"), want: all, requests: 2},
		{name: "11 Retry-After date", fault: throttle("Fri, 31 Dec 2100 23:59:59 GMT"), want: all, requests: 2},
		{name: "11 Retry-After rubbish", fault: throttle("soon"), want: all, requests: 2},
		{name: "12 some items throttled", fault: func(x *index) {
			x.item = func(r int, _, id, _ string) (int, string) {
				if v, _ := strconv.Atoi(id); r == 1 && v%3 == 0 {
					return 429, "es_rejected_execution_exception"
				}
				return 0, ""
			}
		}, want: all, requests: 2, seen: n + 7},
		{name: "13 too large until small", fault: func(x *index) {
			x.whole = func(_ int, w http.ResponseWriter, _ *http.Request, body []byte) bool {
				if len(body) > 700 {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
					return true
				}
				return false
			}
		}, want: all, seen: n},
		{name: "13 one alone is too large", fault: func(x *index) {
			x.whole = func(_ int, w http.ResponseWriter, _ *http.Request, body []byte) bool {
				if bytes.Contains(body, []byte(`"n":7,`)) && !bytes.Contains(body, []byte(`"_index":"dead"`)) {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
					return true
				}
				return false
			}
		}, want: oneDead},
		{name: "14 flood stage", fault: indexA(429, "cluster_block_exception"), want: half, requests: 1, heal: true},
		{name: "14 write block", fault: indexA(403, "cluster_block_exception"), want: half, requests: 1, heal: true},
		{name: "14 cluster read only", fault: always(403, `{"error":{"type":"cluster_block_exception","reason":"`+planted+`"},"status":403}`), want: refused, requests: 1, heal: true},
		{name: "14 whole flood stage", fault: always(429, `{"error":{"type":"cluster_block_exception"},"status":429}`), want: refused, requests: 1, heal: true},
		{name: "15 shard limit", fault: indexA(400, "validation_exception"), want: half, requests: 1, heal: true},
		{name: "16 one field too many", fault: oneItem(2, 400, "illegal_argument_exception|Limit of total fields [1000] has been exceeded"), want: oneDead, requests: 3},
		{name: "16 all have fields too many", fault: indexA(400, "illegal_argument_exception|Limit of total fields [1000] has been exceeded"), want: deliver.SendResult{Delivered: n / 2, Dead: n / 2}, requests: 3},
		{name: "17 missing pipeline", fault: indexA(400, "illegal_argument_exception|pipeline with id [x] does not exist"), want: half, requests: 2, heal: true},
		{name: "17 unknown complaint about a whole index", fault: indexA(400, "illegal_argument_exception|number of documents"), want: half, requests: 2, heal: true},
		{name: "unknown type", fault: indexA(400, "never_heard_of"), want: deliver.SendResult{Delivered: n / 2, Waiting: n / 2}, heal: true},
		{name: "401", fault: always(401, ""), want: refused, requests: 1, heal: true},
		{name: "502 page", fault: always(502, "<html>"+planted), want: none, heal: true},
		{name: "one document breaks the body", fault: func(x *index) {
			x.whole = func(_ int, w http.ResponseWriter, _ *http.Request, body []byte) bool {
				if bytes.Contains(body, []byte(`"n":7,`)) && !bytes.Contains(body, []byte(`"_index":"dead"`)) {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = io.WriteString(w, `{"error":{"type":"json_e_o_f_exception","reason":"`+planted+`"},"status":400}`)
					return true
				}
				return false
			}
		}, want: oneDead},
		{name: "every document breaks the body", fault: always(400, `{"error":{"type":"json_e_o_f_exception"},"status":400}`), want: refused, heal: true},
		{name: "27 long answer", fault: func(x *index) {
			x.whole = first(func(w http.ResponseWriter, _ *http.Request) {
				for range 9 {
					if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
						return
					}
				}
			})
		}, want: all, requests: 2},
		{name: "27 gzip bomb", fault: func(x *index) {
			x.whole = first(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(bomb.Bytes())
			})
		}, want: all, requests: 2, gzip: true},
		{name: "27 endless headers", fault: func(x *index) {
			x.whole = first(func(w http.ResponseWriter, _ *http.Request) {
				for i := range 2000 {
					w.Header().Set("X-"+strconv.Itoa(i), strings.Repeat("y", 100))
				}
			})
		}, want: all, requests: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := &index{docs: map[string]string{}}
			tt.fault(x)
			srv := httptest.NewServer(x)
			defer srv.Close()
			var logMu sync.Mutex
			var lines []string
			log := func(l string) { logMu.Lock(); lines = append(lines, l); logMu.Unlock() }
			const waitMax = 40 * time.Millisecond
			timeout := tt.timeout
			if timeout == 0 {
				timeout = 10 * time.Second
			}
			retry := 2 * time.Second
			if tt.heal {
				retry = 200 * time.Millisecond
			}
			c, err := opensearch.New(opensearch.Options{Hosts: []string{srv.URL}, Gzip: tt.gzip, DeadLetterIndex: "dead"})
			if err != nil {
				t.Fatal(err)
			}
			d, err := deliver.New(deliver.Options{Destination: c, Timeout: timeout, RetryWaitMin: 10 * time.Millisecond, RetryWaitMax: waitMax, RetryTimeout: retry, DeadLetterIndex: "dead", DeadLetterPath: filepath.Join(t.TempDir(), "d", "dead"), Log: log})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			l := deliver.NewLedger(1<<20, nil)
			b := batch(c, n, 0)
			_, e := l.Claim([16]byte{1})
			start := time.Now()
			got, err := d.Send(context.Background(), b, e)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > timeout+retry+500*time.Millisecond {
				t.Errorf("it took %s, more than Timeout and Retry_Timeout together", took)
			}
			if got != tt.want {
				t.Errorf("result %+v, want %+v; %q", got, tt.want, lines)
			}
			x.mu.Lock()
			if tt.requests != 0 && x.requests != tt.requests {
				t.Errorf("%d requests, want %d", x.requests, tt.requests)
			}
			if tt.seen != 0 && x.seen != tt.seen {
				t.Errorf("%d documents arrived, want %d", x.seen, tt.seen)
			}
			x.whole, x.item, x.change = nil, nil, nil // the fault is over
			x.mu.Unlock()
			e.Finish(got.Complete())
			if tt.heal {
				ready(t, d)
				_, e = l.Claim([16]byte{1})
				again, err := d.Send(context.Background(), b, e)
				if err != nil || !again.Complete() {
					t.Errorf("after the fault: %+v %v", again, err)
				}
				e.Finish(again.Complete())
				got.Dead += again.Dead
			}
			// Every document is in its index or a dead letter, once.
			letters := map[string]bool{}
			for k, text := range x.docs {
				if l, err := deliver.ParseLetter([]byte(text)); strings.HasPrefix(k, "dead/") && err == nil {
					letters[l.Index+"/"+l.ID] = true
				}
			}
			for i := range b.Docs {
				doc := &b.Docs[i]
				_, live := x.docs[doc.Index+"/"+string(doc.ID[:])]
				if dead := letters[doc.Index+"/"+string(doc.ID[:])]; live == dead {
					t.Errorf("document %d: in its index %v, dead letter %v", i, live, dead)
				}
			}
			for _, line := range lines {
				if strings.Contains(line, planted) || strings.ContainsAny(line, "\n\x1b") {
					t.Errorf("a log line shows content: %q", line)
				}
			}
		})
	}
}

// A keep-alive connection that the server closes at the moment of use costs
// nothing.
func TestFaults_KeepAliveRace(t *testing.T) {
	x := &index{docs: map[string]string{}}
	srv := httptest.NewUnstartedServer(x)
	srv.Config.IdleTimeout = 20 * time.Millisecond
	srv.Start()
	defer srv.Close()
	c, d := pair(t, opensearch.Options{Hosts: []string{srv.URL}}, deliver.Options{})
	defer d.Close()
	for i := range 40 {
		b := batch(c, 2, 0)
		if got, err := d.Send(context.Background(), b, nil); err != nil || got.Delivered != 2 {
			t.Fatalf("request %d: %+v %v", i, got, err)
		}
		if d.Down() {
			t.Fatal("one stale connection made it look down")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func pair(t *testing.T, o opensearch.Options, do deliver.Options) (*opensearch.Client, *deliver.Deliverer) {
	t.Helper()
	c, err := opensearch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	do.Destination, do.RetryWaitMin, do.RetryWaitMax = c, 5*time.Millisecond, 20*time.Millisecond
	if do.Timeout == 0 {
		do.Timeout = 5 * time.Second
	}
	if do.RetryTimeout == 0 {
		do.RetryTimeout = 500 * time.Millisecond
	}
	d, err := deliver.New(do)
	if err != nil {
		t.Fatal(err)
	}
	return c, d
}

func TestFaults_Nodes(t *testing.T) {
	x := &index{docs: map[string]string{}}
	good := httptest.NewServer(x)
	defer good.Close()
	dead := httptest.NewServer(x)
	dead.Close()
	t.Run("one of two is dead", func(t *testing.T) {
		c, d := pair(t, opensearch.Options{Hosts: []string{dead.URL, good.URL}}, deliver.Options{})
		defer d.Close()
		for range 5 {
			if got, err := d.Send(context.Background(), batch(c, 4, 0), nil); err != nil || got.Delivered != 4 {
				t.Fatalf("%+v %v", got, err)
			}
		}
	})
	t.Run("one of two is slow", func(t *testing.T) {
		slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}))
		defer slow.Close()
		c, d := pair(t, opensearch.Options{Hosts: []string{slow.URL, good.URL}}, deliver.Options{Timeout: 100 * time.Millisecond})
		defer d.Close()
		for range 3 {
			if got, err := d.Send(context.Background(), batch(c, 4, 0), nil); err != nil || got.Delivered != 4 {
				t.Fatalf("%+v %v", got, err)
			}
		}
	})
	t.Run("all are dead, then back, with a path", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := listener.Addr().String()
		_ = listener.Close()
		c, d := pair(t, opensearch.Options{Hosts: []string{"http://" + addr + "/pre/", dead.URL}}, deliver.Options{})
		defer d.Close()
		if got, err := d.Send(context.Background(), batch(c, 4, 0), nil); err != nil || got.Waiting != 4 || !d.Down() {
			t.Fatalf("%+v %v", got, err)
		}
		if listener, err = net.Listen("tcp", addr); err != nil {
			t.Skip("the address is taken: ", err)
		}
		srv := &http.Server{Handler: http.StripPrefix("/pre", x), ReadHeaderTimeout: time.Second}
		go func() { _ = srv.Serve(listener) }()
		defer srv.Close()
		ready(t, d)
		if got, err := d.Send(context.Background(), batch(c, 4, 0), nil); err != nil || got.Delivered != 4 || d.Down() {
			t.Fatalf("%+v %v", got, err)
		}
	})
}

// ready waits until a flush may find out whether the destination is up again.
func ready(t *testing.T, d *deliver.Deliverer) {
	t.Helper()
	for range 400 {
		if d.Ready() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("no flush may find out whether the destination is up again")
}

// While the destination is down one flush probes and the others are turned away.
func TestDown_OneProbes(t *testing.T) {
	var hold atomic.Bool
	hold.Store(true)
	release := make(chan struct{})
	arrived := make(chan struct{}, 100)
	x := &index{docs: map[string]string{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hold.Load() {
			arrived <- struct{}{}
			<-release
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		x.ServeHTTP(w, r)
	}))
	defer srv.Close()
	c, d := pair(t, opensearch.Options{Hosts: []string{srv.URL}}, deliver.Options{RetryTimeout: time.Millisecond})
	defer d.Close()
	b := batch(c, 4, 0)
	done := make(chan struct{})
	go func() { defer close(done); _, _ = d.Send(context.Background(), b, nil) }()
	<-arrived
	release <- struct{}{}
	<-done
	if !d.Down() {
		t.Fatal("not down")
	}
	ready(t, d) // nobody probes: the next flush should
	done = make(chan struct{})
	go func() { defer close(done); _, _ = d.Send(context.Background(), b, nil) }()
	<-arrived
	if d.Ready() {
		t.Error("ready while another flush probes")
	}
	if got, _ := d.Send(context.Background(), b, nil); got.Waiting != 4 {
		t.Errorf("%+v, want all waiting at once", got)
	}
	hold.Store(false)
	release <- struct{}{}
	<-done
	ready(t, d)
	if got, _ := d.Send(context.Background(), b, nil); got.Delivered != 4 || d.Down() || !d.Ready() {
		t.Errorf("%+v after the probe", got)
	}
}

func TestAccess(t *testing.T) {
	var got atomic.Value
	x := &index{docs: map[string]string{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization"))
		if r.Header.Get("Authorization") == "Basic dTpvbGQ=" {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		x.ServeHTTP(w, r)
	}))
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		o    opensearch.Options
		want string
	}{
		{"basic", opensearch.Options{User: opensearch.Secret{Value: "u"}, Password: opensearch.Secret{Value: "p"}}, "Basic dTpw"},
		{"empty password", opensearch.Options{User: opensearch.Secret{Value: "u"}}, "Basic dTo="},
		{"key", opensearch.Options{APIKey: opensearch.Secret{Value: "k"}}, "ApiKey k"},
		{"token", opensearch.Options{Bearer: opensearch.Secret{Value: "t"}}, "Bearer t"},
		{"in the URL", opensearch.Options{Hosts: []string{strings.Replace(srv.URL, "://", "://u:p@", 1)}}, "Basic dTpw"},
		{"none", opensearch.Options{}, ""},
	}
	for _, tt := range tests {
		if tt.o.Hosts == nil {
			tt.o.Hosts = []string{srv.URL}
		}
		c, d := pair(t, tt.o, deliver.Options{})
		if res, err := d.Send(context.Background(), batch(c, 1, 0), nil); err != nil || res.Delivered != 1 || got.Load() != tt.want {
			t.Errorf("%s: %+v %v, header %q, want %q", tt.name, res, err, got.Load(), tt.want)
		}
		if s := fmt.Sprintf("%v %+v %#v", tt.o.User, tt.o.Password, tt.o.Bearer); strings.ContainsAny(s, "uptk") {
			t.Errorf("secrets show: %s", s)
		}
		_ = d.Close()
	}
	c, d := pair(t, opensearch.Options{Hosts: []string{srv.URL}, User: opensearch.Secret{Value: "u"}, Password: opensearch.Secret{File: file}}, deliver.Options{})
	defer d.Close()
	if res, err := d.Send(context.Background(), batch(c, 1, 0), nil); err != nil || res.Blocked != 1 {
		t.Errorf("old password: %+v %v", res, err)
	}
	if err := os.WriteFile(file, []byte("new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ready(t, d)
	if res, err := d.Send(context.Background(), batch(c, 1, 0), nil); err != nil || res.Delivered != 1 {
		t.Errorf("new password: %+v %v", res, err)
	}
}

func TestNew_Refuses(t *testing.T) {
	for name, o := range map[string]opensearch.Options{
		"no hosts":       {},
		"no scheme":      {Hosts: []string{"localhost:9200"}},
		"not a URL":      {Hosts: []string{"http://[::1"}},
		"operation":      {Hosts: []string{"http://h"}, Operation: "delete"},
		"no CA file":     {Hosts: []string{"http://h"}, TLS: opensearch.TLS{CAFile: "/nowhere"}},
		"key alone":      {Hosts: []string{"http://h"}, TLS: opensearch.TLS{KeyFile: "x"}},
		"no secret file": {Hosts: []string{"http://h"}, Bearer: opensearch.Secret{File: "/nowhere"}},
		"proxy":          {Hosts: []string{"http://h"}, Proxy: "::"},
	} {
		if _, err := opensearch.New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestTLS(t *testing.T) {
	x := &index{docs: map[string]string{}}
	srv := httptest.NewUnstartedServer(x)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	srv.StartTLS()
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	writeCA(t, ca, srv)
	var lines []string
	report := func(l string) { lines = append(lines, l) }
	for name, tt := range map[string]struct {
		tls  opensearch.TLS
		want deliver.SendResult
	}{
		"unknown":      {opensearch.TLS{}, deliver.SendResult{Waiting: 2}},
		"own CA":       {opensearch.TLS{CAFile: ca}, deliver.SendResult{Delivered: 2}},
		"not verified": {opensearch.TLS{SkipVerify: true}, deliver.SendResult{Delivered: 2}},
	} {
		lines = nil
		c, d := pair(t, opensearch.Options{Hosts: []string{srv.URL}, TLS: tt.tls}, deliver.Options{Log: report})
		if got, err := d.Send(context.Background(), batch(c, 2, 0), nil); err != nil || got != tt.want {
			t.Errorf("%s: %+v %v; %q", name, got, err, lines)
		}
		_ = d.Close()
	}
}

// A dead letter that the index does not take goes to the file; when that is full
// the document waits and nothing is noted.
func TestDeadLetters_File(t *testing.T) {
	x := &index{docs: map[string]string{}}
	x.item = func(_ int, name, id, _ string) (int, string) {
		if name == "dead" {
			return 403, "cluster_block_exception"
		}
		if strings.HasSuffix(id, "1") {
			return 400, "mapper_parsing_exception"
		}
		return 0, ""
	}
	srv := httptest.NewServer(x)
	defer srv.Close()
	path := filepath.Join(t.TempDir(), "d", "dead")
	l := deliver.NewLedger(1<<20, nil)
	for _, size := range []int64{10, 1 << 20} {
		c, d := pair(t, opensearch.Options{Hosts: []string{srv.URL}, DeadLetterIndex: "dead"}, deliver.Options{DeadLetterIndex: "dead", DeadLetterPath: path, DeadLetterMax: size, Fingerprint: func([]byte) string { return "fp" }})
		_, e := l.Claim([16]byte{2})
		got, err := d.Send(context.Background(), batch(c, 3, 0), e)
		full := size == 10
		if (err != nil) != full || got.Complete() == full || e.Has(1) == full || !e.Has(0) {
			t.Errorf("size %d: %+v %v", size, got, err)
		}
		e.Finish(got.Complete())
		_ = d.Close()
	}
	raw, err := os.ReadFile(path)
	if err != nil || bytes.Count(raw, []byte("\n")) != 1 {
		t.Fatalf("%v: %q", err, raw)
	}
	var letter struct{ ID, Index, Error, Document, Fingerprint, Tag, Rules string }
	if err := json.Unmarshal(raw, &letter); err != nil {
		t.Fatal(err)
	}
	if letter.ID != "00000000000000000001" || letter.Index != "a" || letter.Error != "mapper_parsing_exception" || letter.Fingerprint != "fp" || letter.Tag != "kube.x" || letter.Rules != "v1" || !strings.HasPrefix(letter.Document, `{"n":1,`) || strings.HasSuffix(letter.Document, "\n") {
		t.Errorf("letter: %+v", letter)
	}
}

// The caller may use a body again as soon as Send returns, whatever a slow
// attempt still reads: the race detector watches.
func TestSend_BodyIsTheCallersAgain(t *testing.T) {
	x := &index{docs: map[string]string{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 1<<20 {
			w.WriteHeader(http.StatusForbidden) // before the body is read
			return
		}
		x.ServeHTTP(w, r)
	}))
	defer srv.Close()
	c, d := pair(t, opensearch.Options{Hosts: []string{srv.URL}}, deliver.Options{RequestMax: 64 << 20})
	defer d.Close()
	b := batch(c, 8, 1<<20)
	for range 20 {
		if got, _ := d.Send(context.Background(), b, nil); got.Delivered != 0 {
			t.Fatalf("%+v", got)
		}
		for i := range b.Body {
			b.Body[i] ^= 1
		}
		for i := range b.Body {
			b.Body[i] ^= 1
		}
	}
}
