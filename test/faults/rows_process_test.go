package faults

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/rig"
)

// rowsProcess are faults of the process that the plugin is in: its memory, its reloads, its end.
func rowsProcess() []row {
	return []row{
		{32, "little memory", ofMachine, littleMemory},
		{33, "hot reloads with chunks in flight and changed rules, then with broken ones", ofAgent, reloadsInFlight},
		{34, "the end with a backlog while the server is dead", ofAgent, func(p *play) { endWithBacklog(p, "dead", deadURL(p)) }},
		{34, "the end with a backlog while the server hangs", ofAgent, func(p *play) { endWithBacklog(p, "hangs", hangingURL(p)) }},
	}
}

// deadURL leads to a port on which nobody listens.
func deadURL(p *play) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		p.t.Fatal(err)
	}
	return "http://" + l.Addr().String()
}

// hangingURL leads to a port on which the kernel takes connections and nobody answers.
func hangingURL(p *play) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = l.Close() }) // nobody connects any more
	return "http://" + l.Addr().String()
}

// littleMemory gives the same chunks to a host with all memory and to one with little.
func littleMemory(p *play) {
	c := newCourse(p.t, "fault-32-memory")
	so, bin := shared.PluginAndHost(c.t)
	filler := strings.Repeat("a text that takes memory ", 160) // 4 kB
	for _, limit := range []struct{ name, lines string }{
		{"all memory", ""},
		{"2.2 GB of addresses, 24 MiB for Go", "ulimit -v 2200000; export GOMEMLIMIT=24MiB\n"},
	} {
		h := rig.StartHost(c.t, wrap(c.t, c.t.TempDir(), limit.lines+"exec "+bin), host.Script{
			Plugin: so, Threads: 4, Queue: 4, Outputs: []map[string]string{c.section(c.server.URL, map[string]string{"Timeout": "30s", "Retry_Timeout": "10s"})},
		})
		began, most := time.Now(), 0
		for range pick(6, 40) {
			c.give(h, c.chunks(1, 500, "filler", filler))
			e, err := h.Drain(0)
			if err != nil {
				c.t.Fatal(err)
			}
			most = max(most, e.RSSKB)
		}
		e := drained(c.t, h, time.Minute)
		c.t.Logf("%s: %s, at most %d MB resident, %d flushes again", limit.name, time.Since(began).Round(time.Millisecond), max(most, e.RSSKB)/1024, e.Retry)
		if _, err := h.Exit(); err != nil {
			c.t.Fatal(err)
		}
	}
	c.exact(0)
}

// reloadRule is a file of one redaction rule that cuts a word of one round's.
func reloadRule(round int) []byte {
	return fmt.Appendf(nil, "detectors:\n  - id: word_of_the_round\n    about: A word that is cut in one round\n    keywords: [plantedword%[1]d]\n    pattern: '\\bplantedword%[1]d\\b'\n    examples:\n      match: ['a plantedword%[1]d here']\n      ignore: ['a word']\n", round)
}

// reloadsInFlight reloads a host hot, each time with chunks in flight and other rules.
func reloadsInFlight(p *play) {
	c := newCourse(p.t, "fault-33-reload")
	so, bin := shared.PluginAndHost(c.t)
	rules := filepath.Join(c.dir, "rules.yaml")
	replace(c.t, rules, reloadRule(0))
	script := host.Script{
		Plugin: so, Threads: 4, RetryEvery: 50 * time.Millisecond, ReplaceHandlers: true,
		Outputs: []map[string]string{c.section(c.server.URL, map[string]string{"Rules_Path": rules, "Rules_Builtin": "Off"})},
	}
	h := rig.StartHost(c.t, bin, script)
	const reloads, warm = 20, 5
	var warmed, last host.Event
	for round := range reloads {
		c.give(h, c.chunks(8, 40, "word", fmt.Sprintf("a plantedword%d here", round)))
		replace(c.t, rules, reloadRule(round+1))
		var err error
		if last, err = h.Reload(); err != nil {
			c.t.Fatal(err)
		}
		if round == warm {
			warmed = last
		}
	}
	if last.FDs > warmed.FDs+1 || last.Threads > warmed.Threads+2 || last.Modified+last.Error+last.Dropped > 0 {
		c.t.Errorf("after reload %d: %+v; after reload %d: %+v", warm+1, warmed, reloads, last)
	}
	c.give(h, c.chunks(8, 40, "word", fmt.Sprintf("a plantedword%d here", reloads)))
	replace(c.t, rules, []byte("detectors:\n  - id: broken\n    pattern: '('\n"))
	if _, err := h.Reload(); !errors.Is(err, host.ErrRefused) {
		c.t.Errorf("broken rules were taken: %v", err)
	}
	// Fluent Bit has ended; with mended rules it starts again and goes on.
	replace(c.t, rules, reloadRule(reloads+1))
	h = rig.StartHost(c.t, bin, script)
	c.give(h, c.chunks(8, 40, "word", fmt.Sprintf("a plantedword%d here", reloads+1)))
	if _, err := h.Exit(); err != nil {
		c.t.Fatal(err)
	}
	for doc, err := range c.documents(c.index) {
		if err != nil {
			c.t.Fatal(err)
		}
		if strings.Contains(string(doc.Source), "plantedword") {
			c.t.Fatalf("a word of its round was not cut: %s", doc.Source)
		}
	}
	c.exact(0, reloads, "reloads; files", warmed.FDs, "then", last.FDs, "threads", warmed.Threads, "then", last.Threads, "kB", warmed.RSSKB, "then", last.RSSKB)
}

// endWithBacklog ends a host whose server gives nothing, and gives its chunks to the next one.
func endWithBacklog(p *play, name, url string) {
	c := newCourse(p.t, "fault-34-"+name)
	so, bin := shared.PluginAndHost(c.t)
	const timeout, retry, grace = 3 * time.Second, time.Second, 500 * time.Millisecond
	script := func(url string) host.Script {
		return host.Script{
			Plugin: so, Threads: 4, RetryEvery: 200 * time.Millisecond, Grace: grace,
			Outputs: []map[string]string{c.section(url, map[string]string{"Timeout": timeout.String(), "Retry_Timeout": retry.String()})},
		}
	}
	h := rig.StartHost(c.t, bin, script(url))
	chunks := c.chunks(40, 50)
	c.give(h, chunks)
	c.held(h, len(chunks), 5*time.Second)
	began := time.Now()
	e, err := h.Exit()
	took := time.Since(began)
	if err != nil {
		c.t.Fatal(err)
	}
	if e.Pending != len(chunks) || took > timeout+retry+3*time.Second {
		c.t.Errorf("ended after %s with %+v; want at most %s", took, e, timeout+retry+3*time.Second)
	}
	s := script(c.server.URL)
	s.Grace = 0
	next := rig.StartHost(c.t, bin, s)
	c.give(next, chunks)
	if _, err := next.Exit(); err != nil {
		c.t.Fatal(err)
	}
	c.exact(0, "ended", took.Round(time.Millisecond), "after it was told to, with", e.Pending, "chunks; longest flush", e.LongestMS, "ms")
}

// files counts the open files of this process.
func files() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list) - 1 // the folder itself
}
