package deliver

import (
	"math/rand/v2"
	"sync"
	"time"
)

// What tells a broken template from documents that do not fit.
const (
	stormLeast  = 100         // documents of an index that must have been judged
	flowWindow  = time.Minute // in which they are counted, and after which nothing counts as flowing
	flowIndexes = 1000        // indexes that are told apart
)

// probesMax is how many documents a flush sends of an index that took nothing
// the last time. The others follow when one of these is taken.
const probesMax = 16

// OfTemplate is added to what is told of an index that refuses more than half.
const OfTemplate = " of more than half, as of a broken template"

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
	held    map[string]heldIndex // the indexes that took nothing the last time
}

// heldIndex is why an index takes nothing, and how that is told.
type heldIndex struct {
	reason
	told string
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
		unsettled = unsettled || outcome == Dead || outcome == Blocked || t.reasons[i].kind != ""
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
			if len(h.held) > 0 {
				delete(h.held, index)
			}
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
			t.d.reporter.Report(t.batch.Docs[i].Index, t.reasons[i].kind+OfTemplate, int(t.reasons[i].status), 1)
		}
	}
	h.note(t)
	if t.entry == nil || t.refused || h.max <= 0 || now.Sub(t.entry.First()) <= h.max || now.Sub(h.flowed) > flowWindow {
		return
	}
	for _, i := range t.todo {
		// Also what is refused for a reason that nobody knows.
		if t.outcomes[i] == Blocked || t.outcomes[i] == Later && t.reasons[i].kind != "" {
			t.outcomes[i], t.reasons[i].kind = Dead, "held"
		}
	}
}

// uncount takes back that documents were refused whose dead letters could not be
// written: they come again, and would be counted each time.
func (h *holds) uncount(t *sendTask, dead []int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, i := range dead {
		f := h.indexes[t.batch.Docs[i].Index]
		if kind := t.reasons[i].kind; f != nil && f.dead[kind] > 0 {
			f.dead[kind]--
			f.judged--
		}
	}
}

// note remembers the indexes of which this task's documents found that they
// take nothing. That a whole destination refuses is the gate's business.
func (h *holds) note(t *sendTask) {
	if t.refused {
		return
	}
	took := map[string]bool{}
	for _, i := range t.todo {
		if t.outcomes[i] == Delivered {
			took[t.batch.Docs[i].Index] = true
		}
	}
	for _, i := range t.todo {
		index := t.batch.Docs[i].Index
		if t.outcomes[i] != Blocked || took[index] {
			continue
		}
		if len(h.held) >= flowIndexes || h.held == nil {
			h.held = make(map[string]heldIndex)
		}
		held := heldIndex{t.reasons[i], t.reasons[i].kind}
		if f := h.indexes[index]; f != nil && f.storm != "" && f.storm == held.kind {
			held.told += OfTemplate
		}
		h.held[index] = held
	}
}

// probes parts the documents into those to be sent and those of held indexes
// that wait for what becomes of a few others, drawn by lot: those that are tried
// should not always be the same.
func (h *holds) probes(t *sendTask, which []int32) (first, kept []int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.held) == 0 {
		return which, nil
	}
	type draw struct{ left, due int }
	draws := map[string]*draw{}
	for _, i := range which {
		index := t.batch.Docs[i].Index
		if _, held := h.held[index]; !held {
			continue
		}
		if draws[index] == nil {
			draws[index] = &draw{due: probesMax}
		}
		draws[index].left++
	}
	if len(draws) == 0 {
		return which, nil
	}
	for _, i := range which {
		d := draws[t.batch.Docs[i].Index]
		if d == nil {
			first = append(first, i)
			continue
		}
		if rand.IntN(d.left) < d.due {
			first = append(first, i)
			d.due--
		} else {
			kept = append(kept, i)
		}
		d.left--
	}
	return first, kept
}

// opened gives those of the kept documents whose index takes documents again.
// Those of an index that still refuses are blocked for the same reason; where
// nothing came back they are left as they are.
func (h *holds) opened(t *sendTask, sent, kept []int32) (open []int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	refuses := map[string]bool{}
	for _, i := range sent {
		index, outcome := t.batch.Docs[i].Index, t.outcomes[i]
		held, ok := h.held[index]
		if ok && (outcome == Delivered || outcome == Dead && t.reasons[i].kind != held.kind) {
			delete(h.held, index)
		} else if ok && (outcome == Blocked || outcome == Dead) {
			refuses[index] = true
		}
	}
	waiting := map[string]int{}
	for _, i := range kept {
		index := t.batch.Docs[i].Index
		switch held, ok := h.held[index]; {
		case !ok:
			open = append(open, i)
		case refuses[index]:
			t.outcomes[i], t.reasons[i] = Blocked, held.reason
			waiting[index]++
		}
	}
	for index, n := range waiting {
		t.d.reporter.Report(index, h.held[index].told, int(h.held[index].status), n)
	}
	return open
}

// named tells whether the document is refused for what it holds.
func (t *sendTask) named(i int32) bool { return t.outcomes[i] == Dead && t.reasons[i].status == 400 }
