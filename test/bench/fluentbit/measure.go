package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/seclog/seclog/test/bench/corpus"
	"github.com/seclog/seclog/test/bench/sink"
)

// once is what one run of Fluent Bit took.
type once struct {
	cpu, wall time.Duration // wall: from the start until all was delivered
	peakMB    float64
	processed int64        // records that Fluent Bit counts as delivered
	sunk      *sink.Counts // nil for an output that sends nowhere
}

// documents are what arrived, or for null what was read.
func (o once) documents() int64 {
	if o.sunk != nil {
		return o.sunk.Documents
	}
	return o.processed
}

// measure runs Fluent Bit once over the log and ends it when all is delivered.
func measure(ctx context.Context, o options, out output, log, dir string) (got once, err error) {
	for _, d := range []string{dir, filepath.Join(dir, "state")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return got, fmt.Errorf("make a directory: %w", err)
		}
	}
	p := place{
		log: log, parsers: filepath.Join(dir, "parsers.conf"), plugins: filepath.Join(dir, "plugins.conf"),
		state: filepath.Join(dir, "state"),
	}
	var s *sink.Sink
	if out.sink {
		if s, err = sink.Start(sink.Options{DistinctIDs: true, Needles: corpus.Marks()}); err != nil {
			return got, err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		p.sink = s.Port()
	}
	if p.http, err = freePort(ctx); err != nil {
		return got, err
	}
	config := filepath.Join(dir, "fluent-bit.conf")
	for path, text := range map[string]string{
		p.parsers: parsers,
		p.plugins: "[PLUGINS]\n    Path " + o.plugin + "\n",
		config:    configText(o, out, p),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return got, fmt.Errorf("write the configuration: %w", err)
		}
	}
	said := filepath.Join(dir, "fluent-bit.log")
	f, err := os.Create(said)
	if err != nil {
		return got, fmt.Errorf("make Fluent Bit's log: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()

	// SIGTERM lets Fluent Bit flush; Grace and then WaitDelay bound it.
	running, end := context.WithCancel(ctx)
	defer end()
	cmd := exec.CommandContext(running, o.fluentBit, "-c", config)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 40 * time.Second
	cmd.Stdout, cmd.Stderr = f, f
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return got, fmt.Errorf("start Fluent Bit: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()

	processed, err := waitForAll(ctx, o, out, p.http, exited)
	got.wall = time.Since(began)
	got.processed = processed
	end()
	if err == nil || !errors.Is(err, errExited) {
		if waited := <-exited; waited != nil && !errors.Is(waited, context.Canceled) && err == nil {
			err = fmt.Errorf("end Fluent Bit: %w", waited)
		}
	}
	if err != nil {
		return got, fmt.Errorf("%w; Fluent Bit said last:\n%s", err, tail(said, 12))
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return got, errors.New("this system does not say what a process used")
	}
	got.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	got.peakMB = float64(usage.Maxrss) * 1024 / 1e6
	if s != nil {
		// After the exit, so that what was sent twice at the end is seen too.
		c := s.Counts()
		got.sunk = &c
	}
	return got, nil
}

// errExited is Fluent Bit ending before it was told to.
var errExited = errors.New("fluent-bit ended by itself")

// waitForAll returns when Fluent Bit counts all lines as delivered, when the
// count stands still for the stall time, or when it exits.
func waitForAll(ctx context.Context, o options, out output, port int, exited <-chan error) (int64, error) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	var processed int64
	moved := time.Now()
	var last error
	for {
		select {
		case <-ctx.Done():
			return processed, ctx.Err()
		case err := <-exited:
			return processed, fmt.Errorf("%w after %d records: %w", errExited, processed, err)
		case now := <-tick.C:
			n, err := processedRecords(ctx, port, out.plugin+".0")
			switch {
			case err != nil:
				last = err // It listens only a moment after its start.
			case n > processed:
				processed, moved = n, now
			}
			if processed >= int64(o.lines) {
				return processed, nil
			}
			if now.Sub(moved) > o.stall {
				return processed, fmt.Errorf("nothing new was delivered for %s, at %d of %d records (last error: %w)", o.stall, processed, o.lines, last)
			}
		}
	}
}

// processedRecords asks Fluent Bit how many records an output has delivered.
func processedRecords(ctx context.Context, port int, name string) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	url := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) + "/api/v2/metrics/prometheus"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, fmt.Errorf("ask for the metrics: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask for the metrics: %w", err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("ask for the metrics: %s", resp.Status)
	}
	return parseProcessed(resp.Body, name)
}

// parseProcessed finds the count of one output in a page of metrics; an output
// that has not delivered yet is not on it.
func parseProcessed(page io.Reader, name string) (int64, error) {
	s := bufio.NewScanner(page)
	for s.Scan() {
		rest, ok := strings.CutPrefix(s.Text(), `fluentbit_output_proc_records_total{name="`+name+`"} `)
		if !ok {
			continue
		}
		value, _, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("read the metrics: %w", err)
		}
		return int64(n), nil
	}
	if err := s.Err(); err != nil {
		return 0, fmt.Errorf("read the metrics: %w", err)
	}
	return 0, nil
}

func freePort(ctx context.Context) (int, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	_, text, err := net.SplitHostPort(l.Addr().String())
	if err = errors.Join(err, l.Close()); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return strconv.Atoi(text)
}
