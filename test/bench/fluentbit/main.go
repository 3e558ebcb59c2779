// Command fluentbit measures what an output costs inside a real Fluent Bit:
// user and system CPU of the whole process and its largest memory, for the
// same log file read by tail, taken apart by the CRI parser and given three
// fields more, once per output and round.
//
//	go run ./test/bench/fluentbit -fluent-bit /opt/fluent-bit/bin/fluent-bit \
//	    -plugin bin/out_seclog.so -lines 1000000 -rounds 3
//
// The outputs take turns, so that whatever else the machine does falls on all
// of them alike. The bulk endpoint runs in this process, whose CPU is not
// counted. It ends with status 1 when an output delivered another number of
// documents than there are lines, or seclog let a planted key through.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/seclog/seclog/test/bench/corpus"
)

// options are the command line.
type options struct {
	fluentBit, plugin string
	lines, rounds     int
	outputs           string
	extra             string
	memory            string
	seed              uint64
	stall             time.Duration
	keep              bool
}

func main() {
	var o options
	flag.StringVar(&o.fluentBit, "fluent-bit", "fluent-bit", "the Fluent Bit to run")
	flag.StringVar(&o.plugin, "plugin", "bin/out_seclog.so", "the plugin, for the outputs whose name begins with seclog")
	flag.IntVar(&o.lines, "lines", 1_000_000, "lines of the log file, about 226 bytes each")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each output runs")
	flag.StringVar(&o.outputs, "outputs", "null,opensearch,seclog", "what to run, of "+strings.Join(outputNames(), ", "))
	flag.StringVar(&o.extra, "seclog-keys", "", "more keys of the seclog outputs, as 'Key value;Key value'")
	flag.StringVar(&o.memory, "mem-buf-limit", "", "Mem_Buf_Limit of tail; empty leaves Fluent Bit's default, none")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the log file")
	flag.DurationVar(&o.stall, "stall", time.Minute, "give up when nothing is delivered for this long")
	flag.BoolVar(&o.keep, "keep", false, "keep the working directory, and print its name")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fluentbit:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out, progress io.Writer) (err error) {
	outputs, err := chooseOutputs(o.outputs)
	if err != nil {
		return err
	}
	if o.lines < 1 || o.rounds < 1 {
		return fmt.Errorf("lines and rounds must be 1 or more, not %d and %d", o.lines, o.rounds)
	}
	if needsPlugin(outputs) {
		if o.plugin, err = filepath.Abs(o.plugin); err != nil {
			return fmt.Errorf("find the plugin: %w", err)
		}
		if _, err := os.Stat(o.plugin); err != nil {
			return fmt.Errorf("find the plugin (make build makes it): %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "seclog-bench-")
	if err != nil {
		return fmt.Errorf("make a working directory: %w", err)
	}
	if o.keep {
		fmt.Fprintln(progress, "working directory", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	log := filepath.Join(dir, "cri.log")
	stats, err := writeLog(log, o.lines, o.seed)
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "%d lines, %.0f MB, %d with a secret, %d of these with a key's mark\n",
		stats.Lines, float64(stats.Bytes)/1e6, stats.Secrets, stats.Keys)

	results := make([]result, len(outputs))
	for i, output := range outputs {
		results[i].output = output
	}
	for round := range o.rounds {
		for i, output := range outputs {
			one, err := measure(ctx, o, output, log, filepath.Join(dir, fmt.Sprintf("%s-%d", output.name, round+1)))
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, output.name, err)
			}
			fmt.Fprintf(progress, "round %d  %-16s %6.2f CPU s  %6.1f s  %4.0f MB  %d documents  %s\n",
				round+1, output.name, one.cpu.Seconds(), one.wall.Seconds(), one.peakMB, one.documents(), one.trouble())
			results[i].runs = append(results[i].runs, one)
		}
	}
	writeTable(out, results, stats)
	return verify(results, stats)
}

func writeLog(path string, lines int, seed uint64) (stats corpus.Stats, err error) {
	f, err := os.Create(path)
	if err != nil {
		return stats, fmt.Errorf("make the log file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return corpus.Write(f, lines, seed)
}

// tail returns the last lines of a file, for an error message.
func tail(path string, lines int) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	var last []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if last = append(last, s.Text()); len(last) > lines {
			last = last[1:]
		}
	}
	return strings.Join(last, "\n")
}
