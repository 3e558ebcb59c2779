// Package plugin is Seclog without Fluent Bit: it takes chunks of log records
// and gives a verdict on each chunk, having said what the records mean, cut
// what must not leave and brought the rest to its destination exactly once.
//
// It knows all stages; each stage knows only those before it:
//
//	decode → scan → detect → redact → encode → deliver
//
// Flush reads like the table of contents.
package plugin

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/plugin/encode"
	"github.com/seclog/seclog/rules"
)

// Result is the verdict on a chunk.
type Result int

// The verdicts. There is none that gives a chunk up: Fluent Bit may keep such
// a chunk on disk as it is, unredacted.
const (
	OK    Result = iota // every record is delivered or its dead letter is written
	Retry               // give the same bytes and tag again
)

// Level is how grave a log line is.
type Level int

// The levels.
const (
	Error Level = iota
	Warn
	Info
	Debug
)

// Options are what an instance is made from.
type Options struct {
	Config *config.Config
	Rules  *Ruleset // nil: those that Config names
	// Destination receives the documents; nil means the OpenSearch that Config
	// names. State_Path is not used with a destination of one's own.
	Destination deliver.Destination
	Log         func(level Level, line string) // nil: nothing is logged
	Now         func() time.Time               // nil: time.Now
	Getenv      func(string) string            // nil: os.Getenv
}

// Instance is one [OUTPUT] section.
//
// Concurrency: Flush may be called at the same time by several workers; Close
// when none of them runs.
type Instance struct {
	cfg     *config.Config
	log     func(Level, string)
	rules   atomic.Pointer[ruled]
	index   *encode.Index
	ids     *encode.IDs
	ledger  *deliver.Ledger
	sender  *deliver.Deliverer
	flushes sync.Pool // of *flush
	counts  Counters
	fail    func(stage, int) // for tests: panics where a stage shall fail
}

// fault lets a test make a stage fail at a record.
func (in *Instance) fault(s stage, place int) {
	if in.fail != nil {
		in.fail(s, place)
	}
}

// ruled is a rule set and how documents are written under it.
type ruled struct {
	*Ruleset
	encode encode.Config
}

// maxLedger bounds the memory of what is delivered.
const maxLedger = 10 << 20 // 10 MB

// New makes an instance: it loads the rules, opens the state and prepares the
// destination, without a request to it.
//
// Errors: whatever stops the start, in words for the user.
func New(o Options) (*Instance, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Log == nil {
		o.Log = func(Level, string) {}
	}
	c := o.Config
	rs := o.Rules
	if rs == nil {
		var err error
		if rs, err = LoadRules(c, detect.Options{}); err != nil {
			return nil, err
		}
	}
	for _, r := range rs.Refused {
		o.Log(Warn, fmt.Sprintf("detection rule left out: %s:%d: %s: %s", r.File, r.Line, r.Rule, r.Reason))
	}
	s := &state{}
	var err error
	if o.Destination == nil {
		if s, err = openState(c.StatePath, o.Getenv); err != nil {
			return nil, err
		}
	}
	in := &Instance{cfg: c, log: o.Log, ledger: deliver.NewLedger(maxLedger, o.Now)}
	if in.ids, err = encode.NewIDs(s.idKey, s.node); err != nil {
		return nil, err
	}
	in.index = encode.NewIndex(c.Index, c.IndexMaxAge, c.IndexMax)
	if o.Destination == nil {
		to := opensearch.FromConfig(c, o.Now)
		to.Log = func(line string) { o.Log(Warn, line) }
		if o.Destination, err = opensearch.New(to); err != nil {
			return nil, err
		}
	}
	d := deliver.FromConfig(c, o.Destination, o.Now, func(line string) { o.Log(Warn, line) })
	d.Fingerprint = in.fingerprint
	in.sender, err = deliver.New(d)
	if err != nil {
		return nil, errors.Join(err, o.Destination.Close())
	}
	in.rules.Store(in.rule(rs, o.Destination))
	in.flushes.New = func() any { return &flush{in: in} }
	for _, line := range c.Warnings() {
		o.Log(Warn, line)
	}
	return in, nil
}

// fingerprint is what a dead letter says of a content instead of showing it:
// equal contents have equal ones, and nobody without the key can try guesses.
func (in *Instance) fingerprint(content []byte) string {
	seal := in.ids.Seal(in.ids.Fingerprint("", content), 0)
	return hex.EncodeToString(seal[:])
}

// LoadRules reads and compiles the rules that a configuration names.
func LoadRules(c *config.Config, o detect.Options) (*Ruleset, error) {
	var f RuleFiles
	if c.RulesBuiltin {
		if err := f.Add(rules.FS, ".", "builtin"); err != nil {
			return nil, fmt.Errorf("built-in rules: %w", err)
		}
	}
	for _, p := range c.RulesPath {
		if err := f.AddPath(p); err != nil {
			return nil, fmt.Errorf("Rules_Path: %w", err)
		}
	}
	return f.Compile(c, o)
}

// rule prepares how documents are written under a rule set.
func (in *Instance) rule(rs *Ruleset, d deliver.Destination) *ruled {
	c := in.cfg
	r := &ruled{Ruleset: rs, encode: encode.Config{
		TimeKey:     c.TimeKey,
		TimeNanos:   c.TimeKeyNanos,
		ReplaceDots: c.ReplaceDots,
		MergeLog:    c.MergeLog,
		LogKeys:     c.LogKeys,
		Index:       in.index,
		IDKey:       c.IDKey,
		Framing: encode.Framing{
			Open:  d.Frame,
			Close: func(dst []byte) []byte { return append(dst, '\n') },
		},
		Rules: rs.Detect.Rules(),
	}}
	if c.IncludeTagKey {
		r.encode.TagKey = c.TagKey
	}
	for _, d := range rs.Redact.Detectors() {
		r.encode.Detectors = append(r.encode.Detectors, d.ID)
	}
	return r
}

// Flush takes one chunk.
//
// Bytes: chunk and tag are read until Flush returns and not kept.
func (in *Instance) Flush(ctx context.Context, tag string, chunk []byte) Result {
	in.counts.Flushes.Add(1)
	if !in.sender.Ready() {
		in.counts.Refused.Add(1)
		return Retry
	}
	ctx, cancel := context.WithTimeout(ctx, in.cfg.Timeout+in.cfg.RetryTimeout)
	defer cancel()
	f := in.flushes.Get().(*flush)
	defer in.flushes.Put(f)
	return f.run(ctx, tag, chunk)
}

// Counts gives the instance's numbers.
func (in *Instance) Counts() *Counters { return &in.counts }

// Delivery gives the numbers of its delivery.
func (in *Instance) Delivery() *deliver.Counters { return in.sender.Counters() }

// Close ends the instance. No Flush may be running or come later.
func (in *Instance) Close() error { return in.sender.Close() }

var _ io.Closer = (*Instance)(nil)
