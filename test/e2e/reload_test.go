package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/rig"
)

// Bounds of what hot reloads may leave behind, per process, once the first ones have warmed it up.
const (
	reloads     = 20
	warm        = 5    // reloads that are not compared
	rssKB       = 8192 // half a megabyte a reload: a set of rules that stays costs more
	moreThreads = 2    // Go starts one where one is blocked
	moreFDs     = 1
)

// TestReload_NothingIsLeft reloads the plugin hot, as Fluent Bit does, with chunks between: every line arrives once,
// and files, threads and memory do not grow.
func TestReload_NothingIsLeft(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	server := openSearch(t)
	const chunks, lines, index = 5, 40, "reloads"
	h := rig.StartHost(t, bin, host.Script{
		Plugin: so, Threads: 2, ReplaceHandlers: true,
		Outputs: []map[string]string{section(t, server.URL, index, nil)},
	})
	n := now{time.Now().Add(-time.Minute).Unix()}
	sent := 0
	send := func() {
		for range chunks {
			c := new(decodetest.Chunk)
			for range lines {
				c.Record(n.event(), rec{"log", fmt.Sprintf("line %d ", sent)})
				sent++
			}
			if err := h.Chunk("kube.app", c.Bytes()); err != nil {
				t.Fatal(err)
			}
		}
	}
	var events []host.Event
	for range reloads {
		send()
		e, err := h.Reload()
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	send()
	last, err := h.Exit()
	if err != nil {
		t.Fatal(err)
	}
	if want := (host.Counts{OK: (reloads + 1) * chunks}); last.Counts != want || last.Modified != 0 {
		t.Errorf("answers %+v, want %+v", last.Counts, want)
	}
	once(t, server, index, deadIndex(index), sent)

	first, end := events[warm], events[len(events)-1]
	t.Logf("after reload %d: %d kB, %d files, %d threads; after reload %d: %d kB, %d files, %d threads",
		warm+1, first.RSSKB, first.FDs, first.Threads, reloads, end.RSSKB, end.FDs, end.Threads)
	for _, m := range []struct {
		what                string
		before, after, more int
	}{
		{"kB of memory", first.RSSKB, end.RSSKB, rssKB},
		{"open files", first.FDs, end.FDs, moreFDs},
		{"threads", first.Threads, end.Threads, moreThreads},
	} {
		if m.before <= 0 || m.after > m.before+m.more {
			t.Errorf("%d %s after %d reloads, %d after %d; want at most %d more", m.before, m.what, warm+1, m.after, reloads, m.more)
		}
	}
}

// TestReload_HandlersAreGosAgain takes SIGSEGV and SIGFPE from Go as Fluent Bit does when it gets SIGHUP. With its
// handler in place a nil dereference ends the agent instead of costing one record; package host's tests show both.
func TestReload_HandlersAreGosAgain(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	server := openSearch(t)
	const index = "handlers"
	h := rig.StartHost(t, bin, host.Script{
		Plugin: so, ReplaceHandlers: true, Outputs: []map[string]string{section(t, server.URL, index, nil)},
	})
	owners := func(when string, want host.Owner) {
		t.Helper()
		events := h.Report().Events
		if e := events[len(events)-1]; e.SEGV != want || e.FPE != want {
			t.Errorf("%s: SIGSEGV of %q, SIGFPE of %q, want both of %q", when, e.SEGV, e.FPE, want)
		}
	}
	owners("after the host took them", host.OfHost)
	n := now{time.Now().Add(-time.Minute).Unix()}
	c := new(decodetest.Chunk).Record(n.event(), rec{"log", "hello"})
	if err := h.Chunk("kube.app", c.Bytes()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Drain(-1); err != nil {
		t.Fatal(err)
	}
	owners("after a flush", host.OfPlugin)
	for range 2 {
		if _, err := h.Reload(); err != nil {
			t.Fatal(err)
		}
		owners("after a reload took them", host.OfPlugin)
	}
	if _, err := h.Exit(); err != nil {
		t.Fatal(err)
	}
	compare(t, "documents", []string{n.expand(`{"@timestamp":"{T}","log":"hello"}`)}, server, index)
}
