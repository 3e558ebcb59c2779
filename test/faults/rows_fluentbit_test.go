package faults

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// rowsFluentBit are faults of the real Fluent Bit with the plugin in it, where FLUENT_BIT names its binary.
func rowsFluentBit() []row {
	return []row{
		{30, "Fluent Bit's own disk full", ofMachine, storageFull},
		{34, "the real Fluent Bit ended with a backlog while the server hangs, its start refused, then started", ofAgent, fluentBitEnded},
	}
}

// agentKeys stand in the [OUTPUT] of the real Fluent Bit.
const (
	agentTimeout      = 3 * time.Second
	agentRetryTimeout = time.Second
)

// fluentBit is the real Fluent Bit on a folder.
type fluentBit struct {
	c                *course
	bin, so, dir     string
	storage, refused string // the folder of its chunks; a key that refuses the start, if any
	cmd              *exec.Cmd
	ended            chan error

	mu  sync.Mutex
	out bytes.Buffer
}

// newFluentBit makes one that reads *.log of its folder.
func newFluentBit(c *course) *fluentBit {
	c.t.Helper()
	bin, so := shared.FluentBit(c.t, "the real Fluent Bit")
	return &fluentBit{c: c, bin: bin, so: so, dir: c.dir, storage: filepath.Join(c.dir, "storage")}
}

// Write takes what it prints.
func (f *fluentBit) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.out.Write(p)
}

// printed counts what it printed.
func (f *fluentBit) printed(text string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Count(f.out.String(), text)
}

// start starts it with an output to a URL.
func (f *fluentBit) start(to string) {
	t := f.c.t
	t.Helper()
	var keys strings.Builder
	for k, v := range f.c.section(to, map[string]string{"Timeout": agentTimeout.String(), "Retry_Timeout": agentRetryTimeout.String()}) {
		fmt.Fprintf(&keys, "    %s %s\n", k, v)
	}
	for name, text := range map[string]string{
		"plugins.conf": "[PLUGINS]\n    Path " + f.so + "\n",
		"parsers.conf": "[PARSER]\n    Name json\n    Format json\n    Time_Key time\n    Time_Format %Y-%m-%dT%H:%M:%S.%L%z\n",
		"fluent-bit.conf": fmt.Sprintf(`[SERVICE]
    Flush 1
    Grace 1
    Log_Level info
    Parsers_File %[1]s/parsers.conf
    Plugins_File %[1]s/plugins.conf
    storage.path %[2]s
    scheduler.base 1
    scheduler.cap 3
[INPUT]
    Name tail
    Path %[1]s/*.log
    Parser json
    Read_from_Head On
    Refresh_Interval 1
    Path_Key log_path
    Offset_Key log_offset
    storage.type filesystem
    DB %[1]s/tail.db
[OUTPUT]
    Workers 2
    Retry_Limit no_limits
%[3]s%[4]s`, f.dir, f.storage, keys.String(), f.refused),
	} {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), f.bin, "-c", filepath.Join(f.dir, "fluent-bit.conf"))
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	f.cmd.Stdout, f.cmd.Stderr = f, f
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, ended := f.cmd, make(chan error, 1)
	f.ended = ended
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
}

// end ends it with SIGTERM, or waits for its end without, and says how long that took.
func (f *fluentBit) end(signal bool) time.Duration {
	t, began := f.c.t, time.Now()
	t.Helper()
	if signal {
		if err := f.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-f.ended:
	case <-time.After(time.Minute):
		t.Error("Fluent Bit did not end within a minute")
		_ = f.cmd.Process.Kill() // it may have ended just now
		<-f.ended
	}
	return time.Since(began)
}

// write appends numbered lines to a file that Fluent Bit reads.
func (f *fluentBit) write(n int) {
	f.c.t.Helper()
	var b bytes.Buffer
	for range n {
		i := f.c.sent
		f.c.sent++
		fmt.Fprintf(&b, `{"time":"%s","n":%d,"log":"line %d of a service that works"}`+"\n", f.c.at(i).UTC().Format("2006-01-02T15:04:05.000000000Z"), i, i)
	}
	file, err := os.OpenFile(filepath.Join(f.dir, "app.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.Write(b.Bytes())
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		f.c.t.Fatal(err)
	}
}

// arrived waits until no more documents come, and answers what there is then.
func (f *fluentBit) arrived(most time.Duration) tally {
	f.c.t.Helper()
	var y tally
	for end, quiet := time.Now().Add(most), 0; time.Now().Before(end) && quiet < 5; time.Sleep(time.Second) {
		now := f.c.count()
		if quiet++; now.documents != y.documents || now.lost > 0 && quiet < 5 && now.documents == 0 {
			quiet = 0
		}
		y = now
		if y.lost == 0 && quiet > 2 {
			break
		}
	}
	return y
}

// kept is how many bytes of chunks are on disk.
func (f *fluentBit) kept() (n int64) {
	_ = filepath.WalkDir(f.storage, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil // what is gone meanwhile counts nothing
	})
	return n
}

// fluentBitEnded ends the real Fluent Bit while its server hangs, has its next start refused, and starts it then.
func fluentBitEnded(p *play) {
	c := newCourse(p.t, "fault-34-fluent-bit")
	f := newFluentBit(c)
	f.write(20_000)
	hanging := hangingURL(p)
	f.start(hanging)
	time.Sleep(8 * time.Second)
	if _, err := url.Parse(hanging); err != nil || f.kept() == 0 {
		c.t.Fatalf("no chunk is kept on disk; %s", f.out.String())
	}
	took, kept := f.end(true), f.kept()
	if most := agentTimeout + agentRetryTimeout + 3*time.Second; took > most {
		c.t.Errorf("Fluent Bit ended %s after SIGTERM, want at most %s", took, most)
	}
	f.refused = "    Redact perhaps\n"
	f.start(c.server.URL)
	refusal, after := f.end(false), f.kept()
	if f.cmd.ProcessState.ExitCode() == 0 || f.printed("Redact") == 0 {
		c.t.Errorf("the start was not refused: exit %d", f.cmd.ProcessState.ExitCode())
	}
	f.refused = ""
	f.write(1000)
	f.start(c.server.URL)
	y := f.arrived(time.Minute)
	f.end(true)
	if c.t.Failed() || y.lost > 0 {
		c.t.Log(f.out.String())
	}
	c.exact(0, "ended", took.Round(time.Millisecond), "after SIGTERM;", kept, "bytes of chunks on disk,", after, "after the refused start, which took", refusal.Round(time.Millisecond))
}

// storageFull fills the disk that Fluent Bit keeps its chunks on while the server is away. What is lost then is lost
// before the plugin sees it: the row measures how much and what tells of it.
func storageFull(p *play) {
	c := newCourse(p.t, "fault-30-storage")
	f := newFluentBit(c)
	f.storage = mountTmpfs(c.t, "4m")
	f.start(deadURL(p))
	for range 20 {
		f.write(5000)
		time.Sleep(300 * time.Millisecond)
	}
	time.Sleep(3 * time.Second)
	kept := f.kept()
	took := f.end(true)
	f.start(c.server.URL)
	y := f.arrived(90 * time.Second)
	f.end(true)
	said := map[string]int{}
	for line := range strings.Lines(f.out.String()) {
		if _, text, ok := strings.Cut(line, "] ["); ok && (strings.Contains(text, "error") || strings.Contains(text, "warn")) {
			said[fmt.Sprintf("%.90s", strings.TrimSpace(text))]++
		}
	}
	shown := 0
	for text, n := range said {
		if shown++; shown > 8 {
			break
		}
		c.t.Logf("Fluent Bit said %d times: [%s", n, text)
	}
	c.t.Logf("a disk of 4 MB for chunks, the server away: %d bytes kept, ended after %s: %s", kept, took.Round(time.Millisecond), y)
	if y.twice+y.strange > 0 {
		c.t.Errorf("something is there twice or was never sent: %s", y)
	}
}
