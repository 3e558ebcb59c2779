package host_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seclog/seclog/test/host"
)

// build makes the host and the plugin that answers as told.
func build(t *testing.T) (bin, so string) {
	t.Helper()
	if reason, ok := host.Available(); !ok {
		if os.Getenv("SECLOG_NEED_SERVERS") != "" {
			t.Fatalf("NOT TESTED: the host that plays Fluent Bit: %s", reason)
		}
		t.Skipf("NOT TESTED: the host that plays Fluent Bit: %s", reason)
	}
	dir := t.TempDir()
	bin, err := host.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	so = filepath.Join(dir, "out_answers.so")
	if err := host.BuildPlugin(t.Context(), "./testdata/answers", so); err != nil {
		t.Fatal(err)
	}
	return bin, so
}

// handlersOverlay lays the module's own host.c and host.h beside the plugin that answers as told, so that what is
// tested is what out_seclog.go is built with.
func handlersOverlay(t *testing.T) []byte {
	t.Helper()
	replace := map[string]string{}
	for _, name := range []string{"host.c", "host.h"} {
		from, err := filepath.Abs(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		to, err := filepath.Abs(filepath.Join("testdata/answers", name))
		if err != nil {
			t.Fatal(err)
		}
		replace[to] = from
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func chunks(n int) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for i := range n {
			// NUL, newline and command words are only bytes to the host.
			if !yield(fmt.Sprintf("kube.%d", i%3), fmt.Appendf(nil, "\x92\nexit\n\x00%08d", i)) {
				return
			}
		}
	}
}

func TestHost(t *testing.T) {
	bin, so := build(t)

	t.Run("the same bytes again until each output is content", func(t *testing.T) {
		record := filepath.Join(t.TempDir(), "record")
		report, err := host.Run(t.Context(), bin, host.Script{
			Plugin: so, Threads: 4, Chunks: chunks(200), RetryEvery: 5 * time.Millisecond,
			Outputs: []map[string]string{
				{"Answers": "retry,retry,ok", "record": "${RECORD}"},
				{"answers": "ok"},
				{"answers": "error"},
			},
			Env: []string{"RECORD=" + record},
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []host.Counts{{OK: 200, Retry: 400}, {OK: 200}, {Error: 200}}
		for i, got := range report.Final.Outputs {
			if got != want[i] {
				t.Errorf("output %d: %+v, want %+v", i, got, want[i])
			}
		}
		if f := report.Final; f.Event != "exit" || f.Flushes != 1000 || f.Pending != 0 || f.Modified != 0 {
			t.Errorf("final %+v", f)
		}
		text, err := os.ReadFile(record)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for line := range strings.Lines(string(text)) {
			seen[line] = true
		}
		i := 0
		for tag, data := range chunks(200) {
			for attempt := range 3 {
				if line := fmt.Sprintf("%s %d %x\n", tag, attempt, data); !seen[line] {
					t.Fatalf("chunk %d: no flush %q", i, line)
				}
			}
			i++
		}
		if len(seen) != 600 {
			t.Errorf("%d different flushes, want 600", len(seen))
		}
	})

	t.Run("a chunk is dropped after its retries", func(t *testing.T) {
		report, err := host.Run(t.Context(), bin, host.Script{
			Plugin: so, Chunks: chunks(10), RetryEvery: time.Millisecond, RetryMax: 2, Outputs: []map[string]string{{"answers": "retry"}},
		})
		if want := (host.Counts{Retry: 30, Dropped: 10}); err != nil || report.Final.Counts != want {
			t.Errorf("%+v, %v, want %+v", report.Final.Counts, err, want)
		}
	})

	t.Run("exit does not wait beyond its grace", func(t *testing.T) {
		report, err := host.Run(t.Context(), bin, host.Script{
			Plugin: so, Chunks: chunks(10), RetryEvery: time.Millisecond, Grace: 100 * time.Millisecond, Outputs: []map[string]string{{"answers": "retry"}},
		})
		if err != nil || report.Final.Pending != 10 || report.Final.OK != 0 {
			t.Errorf("%+v, %v", report.Final, err)
		}
	})

	t.Run("calls come in the order of Fluent Bit", func(t *testing.T) {
		calls := filepath.Join(t.TempDir(), "calls")
		_, err := host.Run(t.Context(), bin, host.Script{
			Plugin: so, Reloads: 1, Outputs: []map[string]string{{"id": "a", "workers": "2"}, {"id": "b"}}, Env: []string{"CALLS=" + calls},
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(calls)
		if err != nil {
			t.Fatal(err)
		}
		want := "PreRegister 0,Register,Init a,Init b,PreRun 0,PreRun 0," +
			"PreRegister 1,Register,PreExit 1,ExitCtx,PreExit 1,ExitCtx,Unregister,Init a,Init b,PreRun 1,PreRun 1," +
			"PreExit 0,ExitCtx,PreExit 0,ExitCtx,Unregister"
		if calls := strings.ReplaceAll(strings.TrimSpace(string(got)), "\n", ","); calls != want {
			t.Errorf("calls\n%s\nwant\n%s", calls, want)
		}
	})

	t.Run("a leak shows over reloads", func(t *testing.T) {
		for fault, perReload := range map[string]int{"": 0, "leak": 1} {
			h, err := host.Start(t.Context(), bin, host.Script{Plugin: so, Threads: 2, Outputs: []map[string]string{{"answers": "ok", "fault": fault}}})
			if err != nil {
				t.Fatal(err)
			}
			var first, last host.Event
			for i := range 20 {
				for tag, data := range chunks(20) {
					if err := h.Chunk(tag, data); err != nil {
						t.Fatal(err)
					}
				}
				if last, err = h.Reload(); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					first = last
				}
			}
			if got := last.FDs - first.FDs; got != 19*perReload {
				t.Errorf("fault %q: %d more files after 19 reloads, want %d", fault, got, 19*perReload)
			}
			if last.OK != 400 || last.Index != 20 || last.RSSKB == 0 || last.Threads < 4 {
				t.Errorf("fault %q: %+v", fault, last)
			}
			if _, err := h.Exit(); err != nil {
				t.Error(err)
			}
		}
	})

	t.Run("a plugin that changes its bytes is found out", func(t *testing.T) {
		report, err := host.Run(t.Context(), bin, host.Script{Plugin: so, Chunks: chunks(7), Outputs: []map[string]string{{"answers": "ok", "fault": "write"}}})
		if err != nil || report.Final.Modified != 7 {
			t.Errorf("%+v, %v", report.Final, err)
		}
	})

	t.Run("a nil dereference is recovered until the handlers are replaced", func(t *testing.T) {
		s := host.Script{Plugin: so, Chunks: chunks(3), Outputs: []map[string]string{{"answers": "ok", "fault": "nil"}}}
		report, err := host.Run(t.Context(), bin, s)
		if err != nil || report.Final.OK != 3 {
			t.Errorf("with Go's handlers: %+v, %v", report.Final, err)
		}
		s.ReplaceHandlers = true
		if _, err := host.Run(t.Context(), bin, s); err == nil || !strings.Contains(err.Error(), "crash handler") {
			t.Errorf("with the host's handlers: %v", err)
		}
	})

	t.Run("a nil dereference is recovered when the handlers are taken back", func(t *testing.T) {
		dir := t.TempDir()
		restoring, overlay := filepath.Join(dir, "out_restoring.so"), filepath.Join(dir, "overlay.json")
		if err := os.WriteFile(overlay, handlersOverlay(t), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := host.BuildPlugin(t.Context(), "./testdata/answers", restoring, "-tags", "restore", "-overlay", overlay); err != nil {
			t.Fatal(err)
		}
		t.Run("but not from another plugin in Go", func(t *testing.T) {
			two := filepath.Join(dir, "two")
			if out, err := exec.CommandContext(t.Context(), host.Compiler(), "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", two, "testdata/two/main.c", "-ldl").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			out, err := exec.CommandContext(t.Context(), two, restoring, so).CombinedOutput()
			want := "first loaded: 0 restored, first\nhost took: 1 restored, first\nsecond loaded: 0 restored, second\nhost took: 1 restored, second\n"
			if err != nil || string(out) != want {
				t.Errorf("%v\n%s\nwant\n%s", err, out, want)
			}
		})
		h, err := host.Start(t.Context(), bin, host.Script{
			Plugin: restoring, Threads: 2, Stack: 24 << 10, ReplaceHandlers: true, Outputs: []map[string]string{{"answers": "ok", "fault": "nil"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			for tag, data := range chunks(4) {
				if err := h.Chunk(tag, data); err != nil {
					t.Fatal(err)
				}
			}
			e, err := h.Reload()
			if err != nil {
				t.Fatal(err)
			}
			if e.OK != 4*(i+1) || e.SEGV != host.OfPlugin || e.FPE != host.OfPlugin {
				t.Errorf("reload %d: %+v", i+1, e)
			}
		}
		if _, err := h.Exit(); err != nil {
			t.Error(err)
		}
		if e := h.Report().Events[0]; e.SEGV != host.OfHost || e.FPE != host.OfHost {
			t.Errorf("the host did not take the handlers: %+v", e)
		}
	})

	t.Run("a refused Init ends the host", func(t *testing.T) {
		var stderr bytes.Buffer
		_, err := host.Run(t.Context(), bin, host.Script{
			Plugin: so, Outputs: []map[string]string{{"answers": "ok"}, {"fault": "refuse"}}, Stderr: &stderr,
		})
		if !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), "refused as told") || stderr.Len() == 0 {
			t.Errorf("error %v", err)
		}
	})

	t.Run("what cannot be loaded is said", func(t *testing.T) {
		_, err := host.Run(t.Context(), bin, host.Script{Plugin: filepath.Join(t.TempDir(), "missing.so"), Outputs: []map[string]string{{}}})
		if err == nil || !strings.Contains(err.Error(), "missing.so") {
			t.Errorf("error %v", err)
		}
		if _, err := host.Start(t.Context(), bin, host.Script{Plugin: so, Outputs: []map[string]string{{"a": "two\nlines"}}}); err == nil {
			t.Error("a value of two lines was taken")
		}
	})
}
