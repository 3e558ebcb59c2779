package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/seclog/seclog/plugin"
	"github.com/seclog/seclog/plugin/config"
)

type replayCommand struct {
	File    string        `help:"Read a dead-letter file; it may be written meanwhile." placeholder:"PATH"`
	Index   string        `help:"Read an index, an alias or a pattern of them; without --file and --index, the configured Dead_Letter_Index." placeholder:"NAME"`
	Config  string        `help:"Fluent Bit's configuration, classic or YAML: its [OUTPUT] named seclog says where to send and as whom." placeholder:"FILE"`
	Output  string        `help:"Which of several such outputs: its number among them, or its Alias." placeholder:"N|ALIAS"`
	Set     []string      `help:"A key of that section, over the file's; may be repeated. An empty value takes the key away." placeholder:"KEY=VALUE" sep:"none"`
	Type    []string      `help:"Only letters with this error type; may be repeated." placeholder:"TYPE" sep:"none"`
	Since   string        `help:"Only records from this time on: 2026-11-23, 2026-11-23T20:11:00Z, or 24h for a day ago." placeholder:"TIME"`
	Until   string        `help:"Only records before this time." placeholder:"TIME"`
	DryRun  bool          `help:"Count the letters by index and error type, and send nothing."`
	Timeout time.Duration `help:"How long to go on while the server takes nothing." default:"10m"`
	Quiet   bool          `short:"q" help:"No progress; the summary only."`
}

// Help is shown below the flags.
func (replayCommand) Help() string {
	return `A dead letter is a document that could not be delivered, as it was redacted then. Once its cause is mended (the mapping, say), replay sends it again with
its own _id to its own index, through the configured ingest pipeline, as a create: what is there already stays as it is and is counted as such, so that
replay can be repeated, or ended with Ctrl-C and started again. Letters are not removed; what is refused again is counted by its error and makes no new
letter. Letters without a document (records that could not be read) are counted; nothing can bring these back.

A half line at a file's end, which is being written or was cut by a crash, is left out and said. Lines that are no letter are named by their number.
Give secrets by file (HTTP_Passwd_File) or as '${NAME}' of the environment: other users of the machine can see a command's arguments.

Exit status: 0 all are delivered or were already there, 1 some were refused again or are no letters, 2 the command could not work or was ended before its end.

Examples:
  seclog replay --config /fluent-bit/etc/fluent-bit.conf --dry-run
  seclog replay --config fluent-bit.yaml --type mapper_parsing_exception --since 24h
  seclog replay --config fluent-bit.conf --file /var/lib/seclog/dead-letters.ndjson
  seclog replay --set Hosts=https://opensearch:9200 --set HTTP_User=replay --set HTTP_Passwd_File=passwd --index seclog_dead_letters`
}

// Run sends the letters again.
func (c *replayCommand) Run(s *streams) error {
	o := plugin.ReplayOptions{File: c.File, Index: c.Index, Types: c.Type, DryRun: c.DryRun, Timeout: c.Timeout}
	if c.File != "" && c.Index != "" {
		return errors.New("replay: --file or --index, not both")
	}
	if c.Timeout <= 0 {
		return errors.New("replay: --timeout: not above 0")
	}
	now := time.Now()
	var err error
	if o.Since, err = moment(c.Since, now); err != nil {
		return fmt.Errorf("replay: --since: %w", err)
	}
	if o.Until, err = moment(c.Until, now); err != nil {
		return fmt.Errorf("replay: --until: %w", err)
	}
	if o.Config, err = c.config(); err != nil {
		return err
	}
	for _, w := range o.Config.Warnings() {
		fmt.Fprintln(s.err, "seclog:", w)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	p := &replayProgress{w: s.err, quiet: c.Quiet, last: now}
	if f, ok := s.err.(*os.File); ok {
		p.terminal = term.IsTerminal(int(f.Fd()))
	}
	o.Progress = p.show
	o.Log = p.log
	res, err := plugin.Replay(ctx, o)
	p.end()
	if res != nil {
		c.summary(s.out, res)
	}
	switch {
	case err != nil:
		return fmt.Errorf("replay: %w", err)
	case res.Bad > 0 || len(res.Refused) > 0:
		return exitCode(exitFindings)
	}
	return nil
}

// moment reads a time, or how long ago it was; "" is the zero time.
func moment(v string, now time.Time) (time.Time, error) {
	if v == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil {
			return t, nil
		}
	}
	if d, err := time.ParseDuration(v); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q: allowed: 2026-11-23, 2026-11-23T20:11:00Z (UTC without a zone), 24h", v)
}

// config is the configuration of the output: the section of the file, and what
// --set puts over it.
func (c *replayCommand) config() (*config.Config, error) {
	section := plugin.Section{}
	if c.Output != "" && c.Config == "" {
		return nil, errors.New("replay: --output needs --config")
	}
	if c.Config != "" {
		var err error
		if section, err = plugin.FindSection(c.Config, c.Output, os.Getenv); err != nil {
			return nil, err
		}
	}
	// Letters are redacted already: rules and their keys need not be at hand.
	for _, k := range []string{"Rules_Path", "Rules_Builtin", "Key_File", "Redact_Action", "Redact", "Detect"} {
		section.Set(k, "", os.Getenv)
	}
	for _, kv := range c.Set {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, errors.New("replay: --set needs KEY=VALUE")
		}
		section.Set(k, v, os.Getenv)
	}
	if c.DryRun && c.File != "" && section.Get("Hosts") == "" {
		section.Set("Hosts", "http://nowhere.invalid", os.Getenv) // never asked
	}
	known := map[string]bool{}
	conf, err := config.Load(func(key string) string {
		known[strings.ToLower(key)] = true
		return section.Get(key)
	})
	for _, kv := range c.Set {
		if k, _, _ := strings.Cut(kv, "="); !known[strings.ToLower(k)] {
			return nil, fmt.Errorf("replay: --set %s: no key of the section has this name", k)
		}
	}
	return conf, err
}

// summary prints what became of the letters.
func (c *replayCommand) summary(w io.Writer, r *plugin.ReplayResult) {
	total := func(m map[plugin.ReplayCause]int) (n int) {
		for _, k := range m {
			n += k
		}
		return n
	}
	without := 0
	for _, n := range r.WithoutDocument {
		without += n
	}
	fmt.Fprintf(w, "%d letters: ", r.Letters)
	if c.DryRun {
		fmt.Fprintf(w, "%d would be sent", total(r.Chosen))
	} else {
		fmt.Fprintf(w, "%d delivered, %d already there, %d refused, %d not sent", r.Delivered, r.AlreadyThere, total(r.Refused), r.NotSent)
	}
	fmt.Fprintf(w, "; %d not chosen, %d without a document; %d bad\n", r.NotChosen, without, r.Bad)
	if c.DryRun {
		causes(w, "would be sent", r.Chosen)
	}
	causes(w, "refused", r.Refused)
	for _, kind := range slices.Sorted(maps.Keys(r.WithoutDocument)) {
		fmt.Fprintf(w, "without a document, not replayable: %d of type %s\n", r.WithoutDocument[kind], word(kind))
	}
	for _, b := range r.BadFirst {
		fmt.Fprintln(w, "bad:", b)
	}
	if more := r.Bad - len(r.BadFirst); more > 0 {
		fmt.Fprintf(w, "bad: %d more\n", more)
	}
	if r.Torn {
		fmt.Fprintln(w, "the last line has no end and was left out: it is being written, or whoever wrote it was killed")
	}
}

// causes prints a line for each index and error type.
func causes(w io.Writer, what string, m map[plugin.ReplayCause]int) {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b plugin.ReplayCause) int {
		return cmp.Or(strings.Compare(a.Index, b.Index), strings.Compare(a.Type, b.Type))
	})
	for _, k := range keys {
		fmt.Fprintf(w, "%s: %d in index %s, %s\n", what, m[k], word(k.Index), word(k.Type))
	}
}

// word is a name as it may be shown: quoted where it could forge a line, or
// make a terminal do something.
func word(s string) string {
	if s == "" || len(s) > 255 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '"' || !strconv.IsPrint(r) }) {
		return strconv.Quote(s[:min(len(s), 255)])
	}
	return s
}

// replayProgress shows how far the work is: a bar on a terminal, else a line
// every few seconds.
type replayProgress struct {
	w               io.Writer
	quiet, terminal bool
	bar             *progressbar.ProgressBar
	last            time.Time
}

// progressEvery is how often a line is written where there is no terminal.
const progressEvery = 5 * time.Second

func (p *replayProgress) show(now plugin.ReplayProgress) {
	if p.quiet || now.All <= 0 {
		return
	}
	if !p.terminal {
		if time.Since(p.last) < progressEvery {
			return
		}
		p.last = time.Now()
		unit := "letters"
		if now.Bytes {
			unit = "bytes"
		}
		fmt.Fprintf(p.w, "seclog: %d of %d %s read, %d delivered, %d already there\n", now.Done, now.All, unit, now.Result.Delivered, now.Result.AlreadyThere)
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(now.All, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription("dead letters"),
			progressbar.OptionShowBytes(now.Bytes), progressbar.OptionShowCount(), progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	// A bar that cannot be drawn is no reason to stop.
	_ = p.bar.Set64(min(now.Done, now.All))
}

// log writes a line above the bar.
func (p *replayProgress) log(line string) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintln(p.w, "seclog:", line)
}

func (p *replayProgress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
