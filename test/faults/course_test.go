package faults

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin"
	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/test/servers"
)

// course is numbered records on their way to indices of their own, whoever carries them: agents in this process, hosts,
// or the real Fluent Bit. One state and one dead-letter file stand for the node that they are on.
type course struct {
	t      *testing.T
	server *servers.Server
	index  string // or a pattern of it, for records of several days
	dir    string // the node's own
	file   string // of dead letters
	sent   int    // records so far
	at     func(n int) time.Time

	mu   sync.Mutex
	said []string
}

// newCourse makes a course to the shared server.
func newCourse(t *testing.T, index string) *course {
	t.Helper()
	server, err := shared.Server()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now().Add(-time.Minute)
	// A test's own folder is named by it, and a comma in a name divides paths.
	dir, err := os.MkdirTemp("", index+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	c := &course{t: t, server: server, index: index, dir: dir}
	c.file = filepath.Join(c.dir, "dead", "letters.ndjson")
	c.at = func(n int) time.Time { return began.Add(time.Duration(n) * time.Microsecond) }
	return c
}

// dead is the index of dead letters.
func (c *course) dead() string { return "dead-" + c.index }

// section is what stands in the [OUTPUT] that leads to a URL, with more keys, or others.
func (c *course) section(url string, keys map[string]string) map[string]string {
	s := map[string]string{
		"Name": "seclog", "Match": "*", "Hosts": url, "Index": c.index, "Dead_Letter_Index": c.dead(),
		"State_Path": filepath.Join(c.dir, "state"), "Dead_Letter_Path": c.file, "Timeout": "5s",
		"Retry_Wait_Min": "50ms", "Retry_Wait_Max": "500ms", "Retry_Timeout": "1s",
	}
	maps.Copy(s, keys)
	return s
}

// agent starts an agent with two workers that ends with the test.
func (c *course) agent(url string, keys map[string]string, change func(*plugin.Options)) *agent {
	c.t.Helper()
	s := c.section(url, keys)
	loaded, err := config.Load(func(key string) string { return s[key] })
	if err != nil {
		if strings.Contains(err.Error(), "not yet supported") {
			c.t.Skipf("NOT TESTED: %v", err)
		}
		c.t.Fatal(err)
	}
	o := plugin.Options{Config: loaded, Log: c.say}
	if s["Rules_Path"] == "" && s["Redact_Action"] == "" {
		if o.Rules, err = shared.rules(); err != nil {
			c.t.Fatal(err)
		}
	}
	if change != nil {
		change(&o)
	}
	in, err := plugin.New(o)
	if err != nil {
		c.t.Fatal(err)
	}
	a := newAgent(in, 2, 64)
	var once sync.Once
	c.t.Cleanup(func() {
		once.Do(func() {
			if err := a.close(); err != nil {
				c.t.Error(err)
			}
		})
	})
	return a
}

// say takes the plugin's log lines.
func (c *course) say(_ plugin.Level, line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, line)
}

// told counts log lines that hold a text.
func (c *course) told(text string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.said {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

// wantTold waits a little for a log line and fails without one.
func (c *course) wantTold(text string) {
	c.t.Helper()
	for end := time.Now().Add(5 * time.Second); c.told(text) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.t.Errorf("no line holds %q:\n%s", text, strings.Join(c.said, "\n"))
			return
		}
	}
}

// chunks makes chunks of so many records each, numbered on from those before. More fields may be added to each.
func (c *course) chunks(count, records int, more ...any) []chunk {
	list := make([]chunk, count)
	for i := range list {
		b := new(decodetest.Chunk)
		for range records {
			fields := append(decodetest.Map{"n", c.sent, "log", fmt.Sprintf("line %d of a service that works", c.sent)}, more...)
			b.Record(decodetest.Time(c.at(c.sent)), fields)
			c.sent++
		}
		list[i] = chunk{"kube.fault", b.Bytes()}
	}
	return list
}

// drain waits until an agent has delivered all, and says how long that took.
func (c *course) drain(a *agent, most time.Duration) time.Duration {
	c.t.Helper()
	began := time.Now()
	if left := a.drain(most); left > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.t.Fatalf("%d chunks are left after %s:\n%s", left, most, strings.Join(c.said, "\n"))
	}
	return time.Since(began)
}

// stuck fails unless an agent has delivered nothing by the end of a while in which it tried.
func (c *course) stuck(a *agent, chunks int, while time.Duration) {
	c.t.Helper()
	before := a.retries.Load()
	for end := time.Now().Add(max(while, 10*time.Second)); a.retries.Load() == before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(while)
	if left := a.left(); left != chunks || a.retries.Load() == before {
		c.t.Errorf("under the fault %d chunks of %d are left after %d retries", left, chunks, a.retries.Load()-before)
	}
}

// tally is what became of the records.
type tally struct{ sent, documents, letters, lost, twice, strange int }

func (y tally) String() string {
	return fmt.Sprintf("%d sent, %d documents, %d dead letters: %d lost, %d twice, %d that nobody sent", y.sent, y.documents, y.letters, y.lost, y.twice, y.strange)
}

// count looks where every record is.
func (c *course) count() tally {
	c.t.Helper()
	y, seen := tally{sent: c.sent}, make([]int, c.sent)
	note := func(text []byte, times *int) {
		var d struct {
			N *int `json:"n"`
		}
		if err := json.Unmarshal(text, &d); err != nil || d.N == nil || *d.N < 0 || *d.N >= c.sent {
			y.strange++
			return
		}
		seen[*d.N]++
		*times++
	}
	letter := func(text []byte) {
		var l struct {
			Document string `json:"document"`
		}
		if err := json.Unmarshal(text, &l); err != nil {
			c.t.Errorf("a dead letter that is no JSON: %.100q", text)
			return
		}
		note([]byte(l.Document), &y.letters)
	}
	for doc, err := range c.documents(c.index + "*") {
		if err != nil {
			c.t.Fatal(err)
		}
		note(doc.Source, &y.documents)
	}
	for doc, err := range c.documents(c.dead()) {
		if err != nil {
			c.t.Fatal(err)
		}
		letter(doc.Source)
	}
	for _, line := range c.deadLines() {
		letter(line)
	}
	for _, k := range seen {
		y.lost += max(0, 1-k)
		y.twice += max(0, k-1)
	}
	return y
}

// documents yields those of an index or pattern; none where there is no such index.
func (c *course) documents(index string) func(func(servers.Doc, error) bool) {
	var found map[string]json.RawMessage
	if err := c.server.Do(c.t.Context(), "GET", "/"+index+"?ignore_unavailable=true&allow_no_indices=true&expand_wildcards=all", nil, &found); err != nil {
		return func(yield func(servers.Doc, error) bool) { yield(servers.Doc{}, err) }
	}
	if len(found) == 0 {
		return func(func(servers.Doc, error) bool) {}
	}
	return c.server.Documents(c.t.Context(), index)
}

// deadLines are the whole lines of the dead-letter file.
func (c *course) deadLines() (lines [][]byte) {
	f, err := os.Open(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	in := bufio.NewScanner(f)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		lines = append(lines, append([]byte(nil), in.Bytes()...))
	}
	if err := in.Err(); err != nil {
		c.t.Fatal(err)
	}
	return lines
}

// exact ends a course: every record is in its index or, so many as are expected, among the dead letters, exactly once.
func (c *course) exact(letters int, more ...any) {
	c.t.Helper()
	y := c.count()
	c.t.Log(strings.TrimSpace(y.String() + " " + strings.TrimSuffix(fmt.Sprintln(more...), "\n")))
	if cmp.Or(y.lost, y.twice, y.strange) != 0 || y.letters != letters || y.documents != y.sent-letters {
		c.t.Errorf("want each once and %d dead letters: %s", letters, y)
	}
}
