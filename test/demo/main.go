// Command demo shows the main job on a machine of its own: a real OpenSearch is
// started, log lines of twelve workloads with planted attacks and secrets go
// through the plugin, and what arrived is counted in OpenSearch's own answers.
// It ends everything that it started; KEEP=1 leaves OpenSearch running.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/seclog/seclog/test/data"
	"github.com/seclog/seclog/test/servers"
)

const (
	pluginPath = "bin/out_seclog.so"
	reportPath = "bin/demo.html"
	seed       = 1
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// step prints what is being done.
func step(format string, args ...any) {
	fmt.Printf("\n▸ "+format+"\n", args...)
}

func run(ctx context.Context) (err error) {
	files, m, err := data.Generate(seed, time.Now().Add(-10*time.Minute).UTC())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "seclog-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	logs := filepath.Join(dir, "logs")
	if err := os.Mkdir(logs, 0o755); err != nil {
		return err
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(logs, name), b, 0o600); err != nil {
			return err
		}
	}

	step("starting a real OpenSearch (the first time it is fetched from Maven Central, which takes a minute or two)")
	progress := ticker()
	server, err := servers.StartOpenSearch(ctx, servers.Options{})
	progress()
	if err != nil {
		return err
	}
	keep := os.Getenv("KEEP") != ""
	defer func() {
		if !keep || err != nil {
			err = errors.Join(err, server.Close())
		}
	}()
	fmt.Printf("  %s\n", server.URL)

	start := time.Now()
	job := &job{dir: dir, logs: logs, url: server.URL, files: files, manifest: m, count: func() int {
		n, err := server.Count(ctx, "seclog-*")
		if err != nil {
			return 0
		}
		return n
	}}
	if bin := fluentBit(); bin != "" {
		step("sending %d lines of %d workloads through %s in the real Fluent Bit (%s)", m.Lines, len(m.Files), pluginPath, bin)
		err = job.fluentBit(ctx, bin)
	} else {
		step("sending %d lines of %d workloads through %s in the test host (set FLUENT_BIT to use the real Fluent Bit)", m.Lines, len(m.Files), pluginPath)
		err = job.host(ctx)
	}
	if err != nil {
		return err
	}
	took := time.Since(start)

	step("reading back what OpenSearch holds")
	s, err := summarise(ctx, server, job)
	if err != nil {
		return err
	}
	s.Took = took
	s.print(os.Stdout)
	if err := s.html(reportPath); err != nil {
		return err
	}
	path, err := filepath.Abs(reportPath)
	if err != nil {
		return err
	}
	fmt.Printf("\n  the same as a page: %s\n", path)
	if err := s.verdict(); err != nil {
		return err
	}
	if keep {
		fmt.Printf("\n  OpenSearch goes on at %s (process %d)\n", server.URL, server.Pid())
	}
	return nil
}

// fluentBit is the real one, if there is any.
func fluentBit() string {
	if p := os.Getenv("FLUENT_BIT"); p != "" {
		return p
	}
	p, err := exec.LookPath("fluent-bit")
	if err != nil {
		return ""
	}
	return p
}

// ticker prints a dot a second until it is stopped.
func ticker() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for n := 0; ; n++ {
			select {
			case <-done:
				if n > 0 {
					fmt.Println()
				}
				return
			case <-t.C:
				fmt.Print(".")
			}
		}
	}()
	return func() { close(done); <-ended }
}

// job is the sending.
type job struct {
	dir, logs, url string
	files          map[string][]byte
	manifest       *data.Manifest
	count          func() int // documents that OpenSearch holds
}

// wait shows the count of documents until all are there, or no more come.
func (j *job) wait(ctx context.Context, ended chan error) error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		n := j.count()
		fmt.Printf("\r  %s %5d of %d documents", bar(n, j.manifest.Lines), n, j.manifest.Lines)
		if n >= j.manifest.Lines {
			fmt.Println()
			return nil
		}
		select {
		case err := <-ended:
			ended <- nil // for the caller, who waits for the end too
			if err != nil {
				return err
			}
			if n = j.count(); n != j.manifest.Lines {
				return fmt.Errorf("sending ended with %d of %d documents", n, j.manifest.Lines)
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after two minutes %d of %d documents", n, j.manifest.Lines)
		}
	}
}

func bar(n, of int) string {
	const width = 30
	full := min(width, n*width/max(of, 1))
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// outputKeys are the keys of the plugin's section.
func (j *job) outputKeys() [][2]string {
	return [][2]string{
		{"Hosts", j.url},
		{"Index", "seclog-%Y.%m.%d"},
		{"State_Path", filepath.Join(j.dir, "state")},
		{"Compress", "gzip"},
	}
}

// fluentBit runs the real Fluent Bit over the files.
func (j *job) fluentBit(ctx context.Context, bin string) error {
	so, err := filepath.Abs(pluginPath)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[SERVICE]\n    Flush 1\n    Grace 30\n    Log_Level info\n    Parsers_File %[1]s/parsers.conf\n    Plugins_File %[1]s/plugins.conf\n    storage.path %[1]s/storage\n", j.dir)
	fmt.Fprintf(&b, "[INPUT]\n    Name tail\n    Path %s/*.log\n    Parser cri\n    Read_from_Head On\n    Path_Key log_path\n    Offset_Key log_offset\n    Buffer_Max_Size 1M\n    storage.type filesystem\n    DB %s\n", j.logs, filepath.Join(j.dir, "tail.db"))
	b.WriteString("[OUTPUT]\n    Name seclog\n    Match *\n    Workers 2\n    Retry_Limit no_limits\n")
	for _, kv := range j.outputKeys() {
		fmt.Fprintf(&b, "    %s %s\n", kv[0], kv[1])
	}
	files := map[string]string{
		"fluent-bit.conf": b.String(),
		"plugins.conf":    "[PLUGINS]\n    Path " + so + "\n",
		"parsers.conf":    "[PARSER]\n    Name cri\n    Format regex\n    Regex ^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<_p>[^ ]*) (?<log>.*)$\n    Time_Key time\n    Time_Format %Y-%m-%dT%H:%M:%S.%L%z\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(j.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-c", filepath.Join(j.dir, "fluent-bit.conf"))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 40 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err = j.wait(ctx, ended)
	cancel()
	<-ended // the signal is its error
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out.String())
	}
	return nil
}
