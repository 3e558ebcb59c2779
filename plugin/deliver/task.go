package deliver

import (
	"context"
	"math/rand/v2"
	"time"
)

// sending is the memory of one Send, used again and again.
type sending struct {
	todo, next []int32
	outcomes   []Outcome
	reasons    []reason
	answer     Answer
	suspects   []int32
}

// reason is why a document is dead.
type reason struct {
	kind   string
	status uint16
}

// sendTask is one Send under way.
type sendTask struct {
	*sending
	d        *Deliverer
	ctx      context.Context
	batch    *Batch
	entry    *Entry
	until    time.Time // no further request or wait starts after it
	result   SendResult
	retry    bool          // the request repeats an earlier one
	throttle time.Duration // wait that some item asked for
	refused  bool          // nothing is taken until somebody acts
}

// rounds sends what is to be sent until all has an outcome or time is up.
func (t *sendTask) rounds() {
	all := t.todo
	for round := 0; ; round++ {
		if !t.pause() {
			break
		}
		t.throttle = 0
		t.next = t.next[:0]
		t.pass(t.todo)
		for _, i := range t.todo {
			if t.outcomes[i] == Later {
				t.next = append(t.next, i)
			}
		}
		if len(t.next) == 0 || t.refused {
			break
		}
		wait := Backoff(t.d.o.RetryWaitMin, t.d.o.RetryWaitMax, round)
		if t.throttle > 0 {
			wait = min(max(wait, t.throttle), t.d.o.RetryWaitMax)
			t.d.gate.hold(wait)
		}
		if t.d.o.Now().Add(wait).After(t.until) || !t.sleep(wait) {
			break
		}
		t.retry = true
		// The list that was walked last is free for the next round, unless it
		// is the first, which settle still needs.
		t.todo = append([]int32(nil), t.next...)
	}
	t.todo = all
}

// pause waits for the moment that all flushes wait for; false: it is too far
// away, or the context has ended.
func (t *sendTask) pause() bool {
	if t.ctx.Err() != nil {
		return false
	}
	wait := t.d.gate.wait()
	if wait <= 0 {
		return true
	}
	if t.d.o.Now().Add(wait).After(t.until) {
		return false
	}
	return t.sleep(wait)
}

// sleep waits; false: the context has ended.
func (t *sendTask) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-t.ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// pass sends the documents once. Of an index that is held a few go first.
func (t *sendTask) pass(which []int32) {
	first, kept := t.d.holds.probes(t, which)
	t.send(first)
	if len(kept) == 0 || t.refused {
		return
	}
	if open := t.d.holds.opened(t, first, kept); len(open) > 0 && !t.late() {
		t.send(open)
	}
}

// send sends documents in as many requests as their size asks for.
func (t *sendTask) send(which []int32) {
	limit := t.d.RequestMax()
	for len(which) > 0 {
		n, size := 0, 0
		for n < min(len(which), docsMax) {
			doc := &t.batch.Docs[which[n]]
			if size += doc.End - doc.Off; n > 0 && size > limit {
				break
			}
			n++
		}
		if !t.request(which[:n]) {
			return
		}
		which = which[n:]
		if len(which) > 0 && t.late() {
			return
		}
		limit = t.d.RequestMax()
	}
}

// docsMax bounds the documents of one request, and with them the answer: one that
// a destination finds too long to read would be asked for again for ever.
const docsMax = 40_000

// late tells that no further request may start.
func (t *sendTask) late() bool { return t.ctx.Err() != nil || t.d.o.Now().After(t.until) }

// request makes one request and deals with its answer. It returns false when a
// further request makes no sense now.
func (t *sendTask) request(which []int32) bool {
	switch ans := t.exchange(which); ans.Verdict {
	case Items:
		return true
	case TooLarge:
		return t.halve(which)
	case Malformed:
		t.bisect(which)
		return !t.late()
	}
	return false
}

// exchange makes one request, counts it and notes the outcomes that every
// verdict but TooLarge and Malformed gives.
func (t *sendTask) exchange(which []int32) *Answer {
	d, ans := t.d, &t.answer
	ans.Reset()
	req := d.request(t.batch.Body, t.batch.Docs, which, t.until)
	req.Failed = d.failed
	req.Again = t.entry != nil && t.entry.Attempts() > 1
	d.dest.Send(t.ctx, &req, ans)
	d.count(ans, t.retry)

	if ans.Verdict == Items && len(ans.Items) != len(which) {
		ans.Verdict, ans.Cause = NoAnswer, "answer with another number of documents"
	}
	switch ans.Verdict {
	case Items:
		d.gate.usable(true)
		t.items(which, ans)
	case TooLarge, Malformed:
		d.gate.usable(true)
	case Throttled:
		d.gate.usable(true)
		t.throttle = max(t.throttle, ans.RetryAfter, d.o.RetryWaitMin)
		d.reporter.Report("", "asks to wait", ans.Status, len(which))
	case Refused:
		// A probe is enough to find out when it stops refusing.
		d.gate.usable(false)
		t.refused = true
		t.mark(which, Blocked)
		d.reporter.Report("", kindOr(ans.Type, "refuses"), ans.Status, len(which))
	default:
		d.gate.usable(false)
		d.reporter.Report("", kindOr(ans.Cause, "no usable answer"), ans.Status, len(which))
	}
	return ans
}

// items notes the outcome of every document of a request.
func (t *sendTask) items(which []int32, ans *Answer) {
	for k, i := range which {
		item := &ans.Items[k]
		t.outcomes[i], t.reasons[i] = item.Outcome, reason{}
		switch item.Outcome {
		case Delivered:
			if item.Duplicate {
				t.d.counters.Duplicates.Add(1)
			}
		case Dead:
			t.reasons[i] = reason{kindOr(item.Type, "refused"), item.Status}
		case Blocked:
			t.reasons[i] = reason{kindOr(item.Type, "refused"), item.Status}
			t.d.reporter.Report(t.batch.Docs[i].Index, t.reasons[i].kind, int(item.Status), 1)
		case Later:
			if item.Throttled {
				t.throttle = max(t.throttle, ans.RetryAfter, t.d.o.RetryWaitMin)
			} else if item.Status >= 400 && item.Status != 503 {
				// Nobody knows what it means, so it is tried again, and told.
				t.reasons[i] = reason{kindOr(item.Type, "refused"), item.Status}
				t.d.reporter.Report(t.batch.Docs[i].Index, t.reasons[i].kind, int(item.Status), 1)
			}
		}
	}
}

// mark gives all the documents one outcome.
func (t *sendTask) mark(which []int32, o Outcome) {
	for _, i := range which {
		t.outcomes[i] = o
	}
}

// settle counts the outcomes, writes the dead letters and notes everything in
// the ledger entry.
func (t *sendTask) settle() error {
	t.d.holds.judge(t)
	var letters []DeadLetter
	var dead []int32
	for _, i := range t.todo {
		doc := &t.batch.Docs[i]
		switch t.outcomes[i] {
		case Delivered:
			t.result.Delivered++
			if t.entry != nil {
				t.entry.Done(doc.Place)
			}
		case Dead:
			letters = append(letters, t.letter(i))
			dead = append(dead, i)
		case Blocked:
			t.result.Blocked++
		default:
			t.result.Waiting++
		}
	}
	c := &t.d.counters
	c.Delivered.Add(uint64(t.result.Delivered))
	c.Blocked.Add(uint64(t.result.Blocked))
	var err error
	if len(letters) > 0 {
		if err = t.d.bury(t.ctx, letters, t.until); err != nil {
			t.result.Waiting += len(letters)
			t.d.holds.uncount(t, dead)
		} else {
			t.result.Dead = len(letters)
			if t.entry != nil {
				for _, i := range dead {
					t.entry.Dead(t.batch.Docs[i].Place)
				}
			}
		}
	}
	c.NotNow.Add(uint64(t.result.Waiting))
	return err
}

// letter makes the dead letter of a document.
func (t *sendTask) letter(i int32) DeadLetter {
	doc := &t.batch.Docs[i]
	text := t.batch.Body[doc.JSONOff:doc.End]
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
	}
	l := DeadLetter{
		ID: string(doc.ID[:]), Index: doc.Index, Time: time.Unix(doc.Sec, int64(doc.Nsec)),
		Tag: t.batch.Tag, RuleVersion: t.batch.RuleVersion,
		Error: t.reasons[i].kind, Status: int(t.reasons[i].status),
		Size: len(text), Document: string(text),
	}
	if doc.OwnID != "" {
		l.ID = doc.OwnID
	}
	if t.d.o.Fingerprint != nil {
		l.Fingerprint = t.d.o.Fingerprint(text)
	}
	return l
}

// Backoff is the jittered wait before the repetition after a number of rounds:
// between half of it and all of what doubles from shortest to longest.
func Backoff(shortest, longest time.Duration, round int) time.Duration {
	wait := longest
	if round >= 0 && round < 30 {
		if w := shortest << uint(round); w > 0 && w < longest {
			wait = w
		}
	}
	if wait < 2 {
		return wait
	}
	return wait/2 + rand.N(wait/2+1)
}
