package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seclog/seclog/test/servers"
)

// lines is how many numbered lines the kill test sends; SECLOG_KILL_LINES
// changes it.
func lines(t *testing.T) int {
	s := os.Getenv("SECLOG_KILL_LINES")
	if s == "" {
		return 300_000
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1000 {
		t.Fatalf("SECLOG_KILL_LINES=%q is no number of at least 1000", s)
	}
	return n
}

// TestFluentBit_ServerKilled sends numbered lines through the real Fluent Bit
// into a real OpenSearch that is killed on the way: every line is there once.
func TestFluentBit_ServerKilled(t *testing.T) {
	bin, so := shared.FluentBit(t, "the plugin in the real Fluent Bit")
	server := servers.ForTest(t, servers.Options{Heap: "512m"})
	n, dir := lines(t), t.TempDir()
	log := filepath.Join(dir, "app.log")
	writeLines(t, log, n)
	configure(t, dir, log, so, server.URL, "seclog-kill")
	start(t, bin, filepath.Join(dir, "fluent-bit.conf"))
	killed := false
	deadline := time.Now().Add(5 * time.Minute)
	for {
		count, err := server.Count(t.Context(), "seclog-kill")
		if err == nil && !killed && count > n/10 {
			killed = true
			t.Logf("killing the server at %d of %d documents", count, n)
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(4 * time.Second)
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err == nil && count >= n {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d documents after five minutes", count, n)
		}
		time.Sleep(200 * time.Millisecond)
	}
	if !killed {
		t.Error("all was delivered before the server could be killed")
	}
	time.Sleep(3 * time.Second) // what comes twice would come now
	once(t, server, "seclog-kill", "seclog_dead_letters", n)
}

// configure writes the configuration that the promises are made for: the time comes from the line, chunks are kept in
// files, and each record says where its line stood.
func configure(t *testing.T, dir, logs, so, url, index string) {
	t.Helper()
	configureOutput(t, dir, logs, so, fmt.Sprintf("    Name seclog\n    Hosts %s\n    Index %s\n    State_Path %s/state\n", url, index, dir))
}

// configureOutput does so for an output of which the section is given.
func configureOutput(t *testing.T, dir, logs, so, section string) {
	t.Helper()
	write(t, filepath.Join(dir, "fluent-bit.conf"), fmt.Sprintf(`[SERVICE]
    Flush 1
    Grace 30
    Log_Level info
    Parsers_File %[1]s/parsers.conf
    Plugins_File %[1]s/plugins.conf
    storage.path %[1]s/storage
    scheduler.base 1
    scheduler.cap 5
[INPUT]
    Name tail
    Path %[2]s
    Parser cri
    Read_from_Head On
    Refresh_Interval 1
    Path_Key log_path
    Offset_Key log_offset
    Buffer_Max_Size 1M
    storage.type filesystem
    DB %[1]s/tail.db
[OUTPUT]
    Match *
    Workers 2
    Retry_Limit no_limits
%[3]s`, dir, logs, section))
	write(t, filepath.Join(dir, "plugins.conf"), "[PLUGINS]\n    Path "+so+"\n")
	write(t, filepath.Join(dir, "parsers.conf"), "[PARSER]\n    Name cri\n    Format regex\n    Regex ^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<_p>[^ ]*) (?<log>.*)$\n    Time_Key time\n    Time_Format %Y-%m-%dT%H:%M:%S.%L%z\n")
}

// patience is how long Fluent Bit may take to end: it waits for the chunks that its workers have, and a server on a busy
// machine may take half a minute for each.
const patience = 2 * time.Minute

// start starts Fluent Bit. The function that it gives ends it with a signal and waits; the test's end does too.
func start(t *testing.T, bin, conf string) (end func(syscall.Signal)) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), bin, "-c", conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = patience
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var once sync.Once
	end = func(s syscall.Signal) {
		once.Do(func() {
			_ = cmd.Process.Signal(s) // it may have ended by itself
			select {
			case <-ended:
			case <-time.After(patience):
				t.Errorf("Fluent Bit did not end within %s", patience)
				_ = cmd.Process.Kill()
				<-ended
			}
			if t.Failed() {
				t.Logf("Fluent Bit said at its end:\n%s", out.String()[max(0, out.Len()-8000):])
			}
		})
	}
	t.Cleanup(func() { end(syscall.SIGTERM) })
	return end
}

// once fails unless the index holds each of the numbered lines exactly once
// and no dead letters were written to the index dead.
func once(t *testing.T, server *servers.Server, index, dead string, n int) {
	t.Helper()
	seen := make([]int, n)
	logs, err := server.Values(t.Context(), index, "log")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range logs {
		var i int
		if _, err := fmt.Sscanf(strings.TrimPrefix(l, `"`), "line %d ", &i); err != nil || i < 0 || i >= n {
			t.Fatalf("a document that nobody sent: %q", l)
		}
		seen[i]++
	}
	lost, twice := 0, 0
	for _, c := range seen {
		switch {
		case c == 0:
			lost++
		case c > 1:
			twice++
		}
	}
	letters := count(t, server, dead)
	t.Logf("%d sent, %d documents: %d lost, %d twice, %d dead letters", n, len(logs), lost, twice, letters)
	if lost+twice+letters > 0 {
		t.Errorf("%d lost, %d twice, %d dead letters", lost, twice, letters)
	}
}

func writeLines(t *testing.T, name string, n int) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	start := time.Now().Add(-time.Hour).UTC()
	for i := range n {
		fmt.Fprintf(w, "%s stdout F line %d of a service that works on order %08x in 12 ms\n", start.Add(time.Duration(i)*time.Microsecond).Format("2006-01-02T15:04:05.000000000Z"), i, i*2654435761%0xffffffff)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
