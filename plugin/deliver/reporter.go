package deliver

import (
	"fmt"
	"sync"
	"time"
)

// reportKeys bounds how many kinds of trouble are told apart.
const reportKeys = 256

// Reporter writes at most one line a minute for each kind of trouble that
// somebody must act on, and counts what it did not write into the next line.
//
// Concurrency: Report may be called at any time.
type Reporter struct {
	mu    sync.Mutex
	now   func() time.Time
	every time.Duration
	log   func(line string)
	kinds map[trouble]*tally

	advise func(kind string, status int) string // nil: nothing is known to do
}

type trouble struct {
	index, kind string
	aside       bool // dead letters were written
}

type tally struct {
	last  time.Time
	count int
}

// NewReporter makes a reporter that hands its lines to log, which may be nil.
func NewReporter(now func() time.Time, log func(line string)) *Reporter {
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = func(string) {}
	}
	return &Reporter{now: now, every: time.Minute, log: log, kinds: map[trouble]*tally{}}
}

// Report notes that n documents of an index met one kind of trouble; status is
// 0 when no answer came. The index may be empty: then the whole destination is
// meant. The kind must be a word of ours or an error type: it is written as it
// is.
func (r *Reporter) Report(index, kind string, status, n int) {
	r.note(trouble{index: index, kind: kind}, status, n, nil)
}

// Aside notes that n records became dead letters for one reason. The index may
// be empty, and the status 0, for records that were never sent.
func (r *Reporter) Aside(index, kind string, status, n int) {
	r.note(trouble{index: index, kind: kind, aside: true}, status, n, nil)
}

// Unkept notes that n records are kept back since their dead letters could not
// be written, and why. The reason must hold nothing of a record.
func (r *Reporter) Unkept(n int, reason error) {
	r.note(trouble{kind: "dead letters cannot be written"}, 0, n, reason)
}

// note counts, and writes a line when it is time for one.
func (r *Reporter) note(key trouble, status, n int, reason error) {
	if n <= 0 {
		return
	}
	r.mu.Lock()
	t := r.kinds[key]
	if t == nil && len(r.kinds) >= reportKeys {
		// Kinds that were quiet for a while make room, else the kind is
		// counted with all the others.
		for k, old := range r.kinds {
			if since := r.now().Sub(old.last); since > 10*r.every || since < 0 {
				delete(r.kinds, k)
			}
		}
		if len(r.kinds) >= reportKeys {
			key = trouble{index: "others", kind: "several", aside: key.aside}
			t = r.kinds[key]
		}
	}
	first := t == nil
	if first {
		t = &tally{}
		r.kinds[key] = t
	}
	t.count += n
	now := r.now()
	// A clock that was set back must not silence the reporter.
	if since := now.Sub(t.last); !first && since >= 0 && since < r.every {
		r.mu.Unlock()
		return
	}
	count := t.count
	t.count, t.last = 0, now
	r.mu.Unlock()

	at := ""
	if status != 0 {
		at = fmt.Sprintf(" (status %d)", status)
	}
	if reason != nil {
		at += ": " + reason.Error()
	}
	line := ""
	switch {
	case key.aside && key.index == "":
		line = fmt.Sprintf("dead letters: %s%s, %d records", key.kind, at, count)
	case key.aside:
		line = fmt.Sprintf("dead letters: %s%s in index %s, %d records", key.kind, at, key.index, count)
	case key.index == "":
		line = fmt.Sprintf("destination: %s%s, %d documents wait", key.kind, at, count)
	default:
		line = fmt.Sprintf("index %s: %s%s, %d documents since the last such line", key.index, key.kind, at, count)
	}
	if r.advise != nil {
		if do := r.advise(key.kind, status); do != "" {
			line += "; to do: " + do
		}
	}
	r.log(line)
}
