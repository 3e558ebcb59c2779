package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seclog/seclog/plugin"
	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/test/servers"
)

type rec = decodetest.Map

// What stands in every record and must not be seen again: a card's number is to be cut, and nothing of a record belongs
// into a log line.
const (
	planted = "4111 1111 1111 1111"
	content = "plantedcontent"
)

// play is one row under way.
type play struct {
	t      *testing.T
	ctx    context.Context // outlives the test's own, so that what cleans up can use it
	server *servers.Server
	index  string // its records' index; every other index of a row has a name that begins so
	dir    string

	// What the row's check expects, when it is not each record of all once.
	nameless int // dead letters that cannot hold their record's number
	copies   int // how often each record is there
	surplus  int // how many copies beyond that may be there

	sent     int           // records numbered so far
	clock    atomic.Int64  // nanoseconds by which the plugin's clock is ahead
	over     atomic.Int64  // when the fault ended, in Unix nanoseconds
	slowness time.Duration // what a row's recovery may take beside twice the scheduler's cap
	agents   []*agent
	closers  []func() error // of what stands before the server, in order

	mu   sync.Mutex
	logs []string
}

// newPlay prepares a row in an index of that name.
func newPlay(t *testing.T, name string) *play {
	t.Helper()
	s, err := shared.Server()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.rules(); err != nil {
		t.Fatal(err)
	}
	leaks := []goleak.Option{
		goleak.IgnoreCurrent(),
		// Connections that the test's own client of the server keeps.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("github.com/seclog/seclog/test/servers.spawn.func1"),       // a node that was restarted
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"), // toxiproxy leaves them behind after a reset
	}
	t.Cleanup(func() { goleak.VerifyNone(t, leaks...) })
	p := &play{
		t: t, ctx: context.WithoutCancel(t.Context()), server: s, index: name, dir: t.TempDir(), copies: 1,
	}
	t.Cleanup(p.close) // of a row that ends early
	return p
}

// dead is the index of the row's dead letters.
func (p *play) dead() string { return "dead-" + p.index }

// must ends the row where a step of it failed.
func (p *play) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// do sends a request to the real server.
func (p *play) do(method, path string, body any) {
	p.t.Helper()
	p.must(p.server.Do(p.ctx, method, path, body, nil))
}

// put creates the row's index with a body: its settings and mappings.
func (p *play) put(index, body string) { p.t.Helper(); p.do("PUT", "/"+index, body) }

// keys is the [OUTPUT] section with the given keys, in pairs, over this package's defaults.
func (p *play) keys(pairs ...string) map[string]string {
	m := map[string]string{
		"Name": "seclog", "Match": "*", "Hosts": p.server.URL, "Index": p.index, "Dead_Letter_Index": p.dead(),
		"State_Path": filepath.Join(p.dir, "state"), "Timeout": "5s",
		"Retry_Wait_Min": "20ms", "Retry_Wait_Max": "200ms", "Retry_Timeout": "1s",
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// settings checks an [OUTPUT] section.
func settings(keys map[string]string) (*config.Config, error) {
	s := plugin.Section{}
	for k, v := range maps.All(keys) {
		s.Set(k, v, os.Getenv)
	}
	return config.Load(s.Get)
}

// agent starts an agent with an instance of the plugin in it. Keys are in pairs.
func (p *play) agent(pairs ...string) *agent {
	p.t.Helper()
	c, err := settings(p.keys(pairs...))
	p.must(err)
	rules, err := shared.rules()
	p.must(err)
	in, err := plugin.New(plugin.Options{
		Config: c, Rules: rules, Log: func(_ plugin.Level, line string) { p.log(line) }, Now: p.now,
	})
	p.must(err)
	a := newAgent(in, 4, 64)
	p.agents = append(p.agents, a)
	return a
}

// now is the plugin's clock.
func (p *play) now() time.Time { return time.Now().Add(time.Duration(p.clock.Load())) }

// ahead moves the plugin's clock.
func (p *play) ahead(d time.Duration) { p.clock.Add(int64(d)) }

// log takes what the plugin logs.
func (p *play) log(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logs = append(p.logs, line)
}

// lines are the log lines so far that hold a text.
func (p *play) lines(text string) (found []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.logs {
		if strings.Contains(l, text) {
			found = append(found, l)
		}
	}
	return found
}

// body is the record with a number, and where its line stands if place is set.
func body(n int, place bool) rec {
	r := rec{"n", n, "log", fmt.Sprintf("line %d %s paid with %s", n, content, planted)}
	if place {
		r = append(r, "log_path", "/var/log/app.log", "log_offset", n*100)
	}
	return r
}

// chunks numbers records and makes so many chunks of so many each. The records of every other chunk say where their lines
// stand, as in the shipped configuration.
func (p *play) chunks(n, records int, fields ...any) []chunk {
	var list []chunk
	for i := range n {
		list = append(list, p.chunk(records, i%2 == 0, fields...))
	}
	return list
}

// chunk numbers records and makes one chunk of them, with more fields if given, as keys and values.
func (p *play) chunk(records int, place bool, fields ...any) chunk {
	c, at := new(decodetest.Chunk), time.Now().Add(-time.Minute)
	for range records {
		c.Record(decodetest.Time(at), append(body(p.sent, place), fields...))
		p.sent++
	}
	return chunk{"kube.app", c.Bytes()}
}

// ended says that the fault has ended now: from here recovery is measured.
func (p *play) ended() { p.over.Store(time.Now().UnixNano()) }

// until waits until something holds, for half a minute.
func (p *play) until(what string, holds func() bool) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("half a minute passed before: %s", what)
		}
	}
}

// count is how many documents an index holds; none where there is no such index.
func (p *play) count(index string) int {
	p.t.Helper()
	n, err := p.server.Count(p.ctx, index+"*")
	p.must(err)
	return n
}

// finish is the check that ends every row.
func (p *play) finish() {
	p.t.Helper()
	const patience = time.Minute
	for _, a := range p.agents {
		if n := a.drain(patience); n > 0 {
			p.t.Errorf("%d chunks are not delivered after %s", n, patience)
		}
	}
	p.recovery()
	p.close()
	p.numbers()
	p.silence()
}

// close ends the agents and what stands before the server.
func (p *play) close() {
	p.t.Helper()
	for _, a := range p.agents {
		if err := a.close(); err != nil {
			p.t.Error(err)
		}
		if a.modified > 0 {
			p.t.Errorf("%d flushes changed the bytes they were lent", a.modified)
		}
	}
	for _, c := range p.closers {
		if err := c(); err != nil {
			p.t.Error(err)
		}
	}
	p.agents, p.closers = nil, nil
}

// recovery measures from the fault's end to the last delivery.
func (p *play) recovery() {
	p.t.Helper()
	if p.over.Load() == 0 || len(p.agents) == 0 {
		return
	}
	var took time.Duration
	var flushes, retries int64
	for _, a := range p.agents {
		a.mu.Lock()
		took = max(took, a.last.Sub(time.Unix(0, p.over.Load())))
		a.mu.Unlock()
		flushes, retries = flushes+a.flushes.Load(), retries+a.retries.Load()
	}
	p.t.Logf("recovered %s after the fault's end; %d flushes, %d of them to be retried", took.Round(time.Millisecond), flushes, retries)
	if most := 2*schedulerCap + p.slowness; took > most {
		p.t.Errorf("that is longer than %s", most)
	}
}

// numbers compares what was sent with what is in the indices and among the dead letters.
func (p *play) numbers() {
	p.t.Helper()
	if p.sent == 0 {
		return // the row counts by itself
	}
	seen, documents := make([]int, p.sent), 0
	note := func(where string, source []byte) {
		p.t.Helper()
		var doc struct {
			N   *int   `json:"n"`
			Log string `json:"log"`
		}
		if err := json.Unmarshal(source, &doc); err != nil || doc.N == nil || *doc.N < 0 || *doc.N >= p.sent {
			p.t.Errorf("%s: a document that nobody sent: %.200s", where, source)
			return
		}
		if strings.Contains(doc.Log, planted) {
			p.t.Errorf("%s: a secret left: %.200s", where, source)
		}
		seen[*doc.N]++
	}
	for doc, err := range p.server.Documents(p.ctx, p.index+"*", "n", "log") {
		p.must(err)
		documents++
		note(doc.Index, doc.Source)
	}
	letters := p.letters()
	nameless := 0
	for _, l := range letters {
		if l.Document == "" {
			nameless++
		} else {
			note("dead letter", []byte(l.Document))
		}
	}
	lost, more := 0, 0
	for n, c := range seen {
		if c < p.copies {
			if lost++; lost == 1 {
				p.t.Logf("record %d is there %d times", n, c)
			}
		}
		more += max(0, c-p.copies)
	}
	p.t.Logf("%d sent, %d documents, %d dead letters; %d lost, %d too many", p.sent, documents, len(letters), lost, more)
	if lost > 0 || more > p.surplus || nameless != p.nameless {
		p.t.Errorf("%d lost, %d too many; %d dead letters without a document, want %d", lost, more, nameless, p.nameless)
	}
}

// letter is what a dead letter says.
type letter struct {
	Error    string `json:"error"`
	Status   int    `json:"status"`
	Document string `json:"document"`
}

// letters reads the dead letters, of index and file.
func (p *play) letters() (list []letter) {
	p.t.Helper()
	take := func(source []byte) {
		var l letter
		if err := json.Unmarshal(source, &l); err != nil {
			p.t.Errorf("a dead letter that cannot be read: %v: %.200s", err, source)
			return
		}
		list = append(list, l)
	}
	for doc, err := range p.server.Documents(p.ctx, p.dead()+"*") {
		p.must(err)
		take(doc.Source)
	}
	file, err := os.ReadFile(filepath.Join(p.dir, "state", "dead-letters.ndjson"))
	if err != nil && !os.IsNotExist(err) {
		p.t.Error(err)
	}
	for line := range strings.Lines(string(file)) {
		take([]byte(line))
	}
	return list
}

// reasons are pieces of the server's own words, which quote documents.
var reasons = []string{
	"failed to parse", "Preview of field", "Limit of total fields", "Limit of mapping depth", "immense term", "blocked by", "dynamic introduction",
	"pipeline with id", "no such index", "this action would add", "version conflict, document", "rejected execution",
}

// silence looks for content, secrets and the server's words in the log lines.
func (p *play) silence() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.logs {
		for _, word := range append([]string{planted, strings.ReplaceAll(planted, " ", ""), content}, reasons...) {
			if strings.Contains(l, word) {
				p.t.Errorf("a log line holds %q: %s", word, l)
			}
		}
	}
	for _, l := range p.logs[:min(len(p.logs), 6)] {
		p.t.Logf("it said: %.160s", l)
	}
}
