// Package host plays Fluent Bit to the plugin over the real C interface: dlopen, Register, Init of several outputs,
// flushes on many threads with bytes that are spoilt and freed after each, retries, hot reloads, exit.
//
// It takes a shared object and chunks; it gives counts of the answers and what the process held after each step.
//
//	bin, err := host.Build(ctx, dir)
//	report, err := host.Run(ctx, bin, host.Script{Plugin: so, Outputs: []map[string]string{{"Hosts": url}}, Chunks: chunks, Threads: 4})
package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Script says what a host does.
type Script struct {
	Plugin          string                    // the shared object
	Outputs         []map[string]string       // the keys of each [OUTPUT] section; every output gets every chunk
	Chunks          iter.Seq2[string, []byte] // tag and bytes; may be nil
	Threads         int                       // flushes at once; 1 when 0
	Queue           int                       // chunks waiting or in flight before Chunk blocks; 64 when 0
	RetryEvery      time.Duration             // wait before a chunk is given again; 200 ms when 0
	RetryMax        int                       // times a chunk is given again; 0 is no limit, negative is never
	Reloads         int                       // hot reloads after all chunks
	ReplaceHandlers bool                      // take SIGSEGV and SIGFPE from Go after Init and at each reload, as SIGHUP does
	Stack           int                       // bytes of stack that a flush's C side has; 64 KiB when 0
	Grace           time.Duration             // how long exit waits for chunks not yet answered for good; 0 is however long
	Env             []string                  // added to the environment
	Stderr          io.Writer                 // gets what host and plugin print; may be nil
}

// Counts is how often each answer came.
type Counts struct {
	OK      int `json:"ok"`
	Retry   int `json:"retry"`
	Error   int `json:"error"`   // FLB_ERROR and every unknown answer: Fluent Bit drops the chunk
	Dropped int `json:"dropped"` // chunks that were given RetryMax times again in vain
}

// Event is what the host held after one step; its counts are since the start.
type Event struct {
	Event string `json:"event"` // start, drain, reload, exit, refused (an Init)
	Index int    `json:"index"` // of a reload, from 1
	Counts
	Outputs   []Counts `json:"outputs"`
	Pending   int      `json:"pending"`    // chunks without a final answer, per output
	Modified  int      `json:"modified"`   // flushes that changed the bytes they were lent
	Flushes   int      `json:"flushes"`    // calls of FlushCtx
	LongestMS int      `json:"longest_ms"` // the longest of them
	RSSKB     int      `json:"rss_kb"`     // resident memory
	FDs       int      `json:"fds"`        // open files
	Threads   int      `json:"threads"`    // of the process, the host's own among them
	SEGV      Owner    `json:"segv"`       // whose handler SIGSEGV has
	FPE       Owner    `json:"fpe"`        // whose handler SIGFPE has
}

// Owner says whose a signal's handler is.
type Owner string

// The owners of handlers; every other answer is a handler of nobody we know.
const (
	OfPlugin Owner = "plugin" // in the shared object: Go's own
	OfHost   Owner = "host"   // the host's crash handler, see Script.ReplaceHandlers
)

// Report is what a whole run gave.
type Report struct {
	Events []Event // in order
	Final  Event   // the last of them
	Stderr string  // the end of what host and plugin printed
}

// ErrRefused is answered when an Init refused its configuration, which ends Fluent Bit.
var ErrRefused = errors.New("an output's Init refused")

// Host is a running host.
//
// *Concurrency:* one goroutine may send commands; Kill and Pid are safe at any time.
type Host struct {
	cmd    *exec.Cmd
	in     *bufio.Writer
	pipe   io.Closer
	out    *bufio.Reader
	stderr *tailWriter
	events []Event
	gone   chan struct{}
	ended  error // how the process ended; read after gone is closed
	grace  time.Duration
}

// Start runs the host at bin and brings the script's plugin up to the point where it takes chunks.
// The context's end kills the host.
//
// *Errors:* ErrRefused when an Init refused, with what the plugin printed.
func Start(ctx context.Context, bin string, s Script) (*Host, error) {
	setup, err := s.setup()
	if err != nil {
		return nil, err
	}
	h := &Host{stderr: &tailWriter{also: s.Stderr}, gone: make(chan struct{}), grace: s.Grace}
	h.cmd = exec.CommandContext(ctx, bin)
	h.cmd.Env = append(os.Environ(), s.Env...)
	h.cmd.Stderr = h.stderr
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	h.cmd.WaitDelay = 5 * time.Second
	in, err := h.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// A pipe of our own: Wait closes StdoutPipe's, and the last answers with it.
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	h.cmd.Stdout = write
	h.in, h.pipe, h.out = bufio.NewWriterSize(in, 1<<16), in, bufio.NewReader(read)
	started := make(chan error, 1)
	go func() {
		// Pdeathsig is tied to the thread that starts the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := h.cmd.Start()
		_ = write.Close()
		started <- err
		if err == nil {
			h.ended = h.cmd.Wait()
		}
		close(h.gone)
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("start the host: %w", err), read.Close())
	}
	context.AfterFunc(ctx, func() { _ = h.Kill() })
	if _, err := h.in.WriteString(setup); err != nil {
		return nil, errors.Join(h.failure(err), h.Kill())
	}
	if _, err := h.ask("start"); err != nil {
		return nil, errors.Join(err, h.Kill())
	}
	return h, nil
}

// Run does the whole script: start, chunks, reloads, exit.
//
// *Errors:* ErrRefused when an Init refused; otherwise when the host or the plugin in it crashed, with what it printed.
// The report is filled as far as the run came.
func Run(ctx context.Context, bin string, s Script) (Report, error) {
	h, err := Start(ctx, bin, s)
	if err != nil {
		return Report{}, err
	}
	err = h.run(s)
	if err != nil {
		err = errors.Join(err, h.Kill())
	}
	return h.Report(), err
}

func (h *Host) run(s Script) error {
	if s.Chunks != nil {
		for tag, data := range s.Chunks {
			if err := h.Chunk(tag, data); err != nil {
				return err
			}
		}
	}
	for range s.Reloads {
		if _, err := h.Reload(); err != nil {
			return err
		}
	}
	_, err := h.Exit()
	return err
}

// Chunk hands one chunk to every output. It blocks while the queue is full.
func (h *Host) Chunk(tag string, data []byte) error {
	if strings.ContainsAny(tag, "\n\x00") {
		return fmt.Errorf("send a chunk: tag %q", tag)
	}
	fmt.Fprintf(h.in, "chunk %d %s\n", len(data), tag)
	if _, err := h.in.Write(data); err != nil {
		return h.failure(err)
	}
	if err := h.in.Flush(); err != nil {
		return h.failure(err)
	}
	return nil
}

// Drain waits until every chunk has its final answer, or for the given time; negative is however long.
func (h *Host) Drain(most time.Duration) (Event, error) { return h.ask(timed("drain", most)) }

// Reload drains and then does one hot reload in Fluent Bit's order.
//
// *Errors:* ErrRefused when the new Init refused: the host is gone then, as Fluent Bit is.
func (h *Host) Reload() (Event, error) { return h.ask("reload") }

// Exit drains for the script's Grace, shuts the plugin down in order and waits for the process's end.
func (h *Host) Exit() (Event, error) {
	most := h.grace
	if most == 0 {
		most = -1
	}
	e, err := h.ask(timed("exit", most))
	if err != nil {
		return e, err
	}
	<-h.gone
	if h.ended != nil {
		return e, h.failure(h.ended)
	}
	return e, nil
}

// Kill ends the host with SIGKILL and waits for its end.
func (h *Host) Kill() error {
	select {
	case <-h.gone:
		return nil
	default:
	}
	if err := h.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-h.gone
	return nil
}

// Pid is the host's process.
func (h *Host) Pid() int { return h.cmd.Process.Pid }

// Report answers what has happened so far.
func (h *Host) Report() Report {
	r := Report{Events: slices.Clone(h.events), Stderr: h.stderr.String()}
	if len(r.Events) > 0 {
		r.Final = r.Events[len(r.Events)-1]
	}
	return r
}

func timed(command string, most time.Duration) string {
	if most < 0 {
		return command + " -1"
	}
	return fmt.Sprintf("%s %d", command, most.Milliseconds())
}

func (h *Host) ask(command string) (Event, error) {
	if _, err := h.in.WriteString(command + "\n"); err != nil {
		return Event{}, h.failure(err)
	}
	if err := h.in.Flush(); err != nil {
		return Event{}, h.failure(err)
	}
	line, err := h.out.ReadBytes('\n')
	if err != nil {
		return Event{}, h.failure(err)
	}
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return Event{}, fmt.Errorf("the host's answer %q: %w", line, err)
	}
	h.events = append(h.events, e)
	if e.Event == "refused" {
		<-h.gone
		// The host exits with 1 once the outputs whose Init had passed are ended; another end is a crash on the way.
		if exit := (*exec.ExitError)(nil); !errors.As(h.ended, &exit) || exit.ExitCode() != 1 {
			return e, h.failure(h.ended)
		}
		return e, fmt.Errorf("%w\n%s", ErrRefused, h.stderr.String())
	}
	return e, nil
}

// failure says why the host stopped listening: its own end, if it ended, else the broken pipe.
func (h *Host) failure(err error) error {
	select {
	case <-h.gone:
		if h.ended != nil {
			err = h.ended
		}
	case <-time.After(5 * time.Second):
	}
	return fmt.Errorf("the host ended: %w\n%s", err, h.stderr.String())
}

func (s Script) setup() (string, error) {
	if len(s.Outputs) == 0 || s.Plugin == "" {
		return "", errors.New("start the host: a script needs a plugin and an output")
	}
	var b strings.Builder
	number := func(name string, n int) { fmt.Fprintf(&b, "option %s %d\n", name, n) }
	number("threads", max(s.Threads, 1))
	if s.Queue > 0 {
		number("queue", s.Queue)
	}
	if s.RetryEvery > 0 {
		number("retry_ms", int(s.RetryEvery.Milliseconds()))
	}
	switch {
	case s.RetryMax > 0:
		number("retry_max", s.RetryMax)
	case s.RetryMax < 0:
		number("retry_max", 0)
	}
	if s.Stack > 0 {
		number("stack", s.Stack)
	}
	if s.ReplaceHandlers {
		number("replace_handlers", 1)
	}
	fmt.Fprintf(&b, "plugin %s\n", s.Plugin)
	for _, keys := range s.Outputs {
		b.WriteString("output\n")
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if strings.ContainsAny(key, "=\n\x00") || strings.ContainsAny(keys[key], "\n\x00") {
				return "", fmt.Errorf("start the host: key %q cannot be written on one line", key)
			}
			fmt.Fprintf(&b, "set %s=%s\n", key, keys[key])
		}
	}
	return b.String(), nil
}

// tailWriter keeps the end of what is written.
type tailWriter struct {
	also io.Writer

	mu   sync.Mutex
	last []byte // at most 64 KiB
}

func (w *tailWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = append(w.last, p...)
	if over := len(w.last) - 1<<16; over > 0 {
		w.last = bytes.Clone(w.last[over:])
	}
	if w.also != nil {
		return w.also.Write(p)
	}
	return len(p), nil
}

func (w *tailWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.last)
}
