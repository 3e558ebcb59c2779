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
	processed int64         // records that Fluent Bit counts as delivered
	retries   int64         // flushes that Fluent Bit repeated
	pause     time.Duration // the longest time in which nothing was delivered
	sunk      *sink.Counts  // nil for an output that sends nowhere
}

// documents are what arrived, or for null what was read.
func (o once) documents() int64 {
	if o.sunk != nil {
		return o.sunk.Documents
	}
	return o.processed
}

// trouble is what makes a run slower without costing CPU.
func (o once) trouble() string {
	var refused int64
	if o.sunk != nil {
		refused = o.sunk.Refused
	}
	return fmt.Sprintf("longest pause %.1f s, %d retries, %d requests refused", o.pause.Seconds(), o.retries, refused)
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

	err = got.wait(ctx, o, out, p.http, exited)
	got.wall = time.Since(began)
	if err == nil {
		got.peakMB, err = peakMB(cmd.Process.Pid)
	}
	end()
	if err == nil || !errors.Is(err, errExited) {
		if waited := <-exited; waited != nil && !errors.Is(waited, context.Canceled) && err == nil {
			err = fmt.Errorf("end Fluent Bit: %w", waited)
		}
	}
	if err != nil {
		return got, fmt.Errorf("%w; Fluent Bit said last:\n%s", err, tail(said, 12))
	}
	got.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if s != nil {
		// After the exit, so that what was sent twice at the end is seen too.
		c := s.Counts()
		got.sunk = &c
	}
	return got, nil
}

// peakMB reads the largest memory that a running process has had. The maximum
// that wait4 gives is no use here: a child's begins at its parent's, and the
// sink makes this process the larger one.
//
// Source: proc_pid_status(5), VmHWM; getrusage(2), RUSAGE_CHILDREN.
func peakMB(pid int) (float64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("read the largest memory: %w", err)
	}
	return parsePeak(string(text))
}

func parsePeak(status string) (float64, error) {
	for line := range strings.Lines(status) {
		value, ok := strings.CutPrefix(line, "VmHWM:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		if err != nil {
			return 0, fmt.Errorf("read the largest memory: %w", err)
		}
		return kib * 1024 / 1e6, nil
	}
	return 0, errors.New("read the largest memory: no VmHWM")
}

// errExited is Fluent Bit ending before it was told to.
var errExited = errors.New("fluent-bit ended by itself")

// wait returns when Fluent Bit counts all lines as delivered, when the count
// stands still for the stall time, or when it exits.
func (got *once) wait(ctx context.Context, o options, out output, port int, exited <-chan error) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	moved := time.Now()
	last := errors.New("none")
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-exited:
			return fmt.Errorf("%w after %d records: %w", errExited, got.processed, err)
		case now := <-tick.C:
			m, err := askMetrics(ctx, port, out.plugin+".0")
			got.pause = max(got.pause, now.Sub(moved))
			if err != nil {
				last = err // It listens only a moment after its start.
			} else if m.processed > got.processed {
				got.processed, moved = m.processed, now
			}
			got.retries = max(got.retries, m.retries)
			if got.processed >= int64(o.lines) {
				return nil
			}
			if now.Sub(moved) > o.stall {
				return fmt.Errorf("nothing new was delivered for %s, at %d of %d records (last error: %w)", o.stall, got.processed, o.lines, last)
			}
		}
	}
}

// metrics are two of an output's counts in Fluent Bit.
type metrics struct {
	processed, retries int64
}

// askMetrics asks Fluent Bit how far an output is.
func askMetrics(ctx context.Context, port int, name string) (m metrics, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	url := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) + "/api/v2/metrics/prometheus"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return m, fmt.Errorf("ask for the metrics: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return m, fmt.Errorf("ask for the metrics: %w", err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return m, fmt.Errorf("ask for the metrics: %s", resp.Status)
	}
	return parseMetrics(resp.Body, name)
}

// parseMetrics finds the counts of one output in a page of metrics; an output
// that has not delivered yet is not on it.
func parseMetrics(page io.Reader, name string) (m metrics, err error) {
	s := bufio.NewScanner(page)
	for s.Scan() {
		series, rest, ok := strings.Cut(s.Text(), `{name="`+name+`"} `)
		if !ok {
			continue
		}
		var into *int64
		switch series {
		case "fluentbit_output_proc_records_total":
			into = &m.processed
		case "fluentbit_output_retries_total":
			into = &m.retries
		default:
			continue
		}
		value, _, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return metrics{}, fmt.Errorf("read the metrics: %s: %w", series, err)
		}
		*into = int64(n)
	}
	if err := s.Err(); err != nil {
		return metrics{}, fmt.Errorf("read the metrics: %w", err)
	}
	return m, nil
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
