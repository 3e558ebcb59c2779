package deliver

import (
	"sync"
	"time"
)

// What tells a broken template from documents that do not fit.
const (
	stormLeast  = 100         // documents of an index that must have been judged
	flowWindow  = time.Minute // in which they are counted, and after which nothing counts as flowing
	flowIndexes = 1000        // indexes that are told apart
)

// holds decides which refusals are waited out. When more than half of an
// index's documents are refused for one reason, that is no poison but a broken
// template: they wait for somebody to act instead of becoming dead letters. And
// what has waited longer than max, while other documents arrive, becomes a dead
// letter after all, since the host can hold only so many chunks.
//
// Concurrency: judge may be called at any time.
type holds struct {
	mu      sync.Mutex
	now     func() time.Time
	max     time.Duration
	flowed  time.Time // when a document was delivered last
	indexes map[string]*flow
}

// flow is how one index takes its documents.
type flow struct {
	since  time.Time      // when the counting began
	judged int            // documents delivered or refused for good since then
	dead   map[string]int // of them those refused, by the type of the error
	storm  string         // the type that keeps the index's documents waiting; empty: none
}

// of is the flow of an index.
func (h *holds) of(index string, now time.Time) *flow {
	f := h.indexes[index]
	if f == nil {
		if len(h.indexes) >= flowIndexes || h.indexes == nil {
			h.indexes = make(map[string]*flow)
		}
		f = &flow{since: now}
		h.indexes[index] = f
	}
	if age := now.Sub(f.since); age > flowWindow || age < 0 {
		if f.judged > 0 && f.dead[f.storm] == 0 {
			f.storm = ""
		}
		f.since, f.judged = now, 0
		clear(f.dead)
	}
	return f
}

// refuse counts a document that is refused for good.
func (f *flow) refuse(kind string) {
	f.judged++
	if f.dead == nil {
		f.dead = make(map[string]int, 1)
	}
	f.dead[kind]++
}

// weigh looks whether more than half are refused for one reason.
func (f *flow) weigh() {
	if f.judged < stormLeast {
		return
	}
	f.storm = ""
	for kind, n := range f.dead {
		if 2*n > f.judged {
			f.storm = kind
		}
	}
}

// judge turns outcomes of a task from dead to blocked, and from blocked to dead.
func (h *holds) judge(t *sendTask) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	var f *flow
	index, unsettled := "", false
	for _, i := range t.todo {
		outcome := t.outcomes[i]
		unsettled = unsettled || outcome == Dead || outcome == Blocked
		if outcome != Delivered && !t.named(i) {
			continue
		}
		if name := t.batch.Docs[i].Index; f == nil || name != index {
			if f != nil {
				f.weigh()
			}
			f, index = h.of(name, now), name
		}
		if outcome == Delivered {
			f.judged++
			h.flowed = now
		} else {
			f.refuse(t.reasons[i].kind)
		}
	}
	if f != nil {
		f.weigh()
	}
	if !unsettled {
		return
	}
	for _, i := range t.todo {
		if t.named(i) && h.of(t.batch.Docs[i].Index, now).storm == t.reasons[i].kind {
			t.outcomes[i] = Blocked
			t.d.reporter.Report(t.batch.Docs[i].Index, t.reasons[i].kind+" of more than half, as of a broken template", int(t.reasons[i].status), 1)
		}
	}
	if t.entry == nil || t.refused || h.max <= 0 || now.Sub(t.entry.First()) <= h.max || now.Sub(h.flowed) > flowWindow {
		return
	}
	for _, i := range t.todo {
		if t.outcomes[i] == Blocked {
			t.outcomes[i], t.reasons[i].kind = Dead, "held"
		}
	}
}

// named tells whether the document is refused for what it holds.
func (t *sendTask) named(i int32) bool { return t.outcomes[i] == Dead && t.reasons[i].status == 400 }
