package deliver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a Deliverer works. The zero value of a duration or size
// stands for the default that its comment names.
type Options struct {
	Destination Destination // required

	RetryWaitMin time.Duration // shortest wait before a repeated request (200ms)
	RetryWaitMax time.Duration // longest wait, whatever the destination asks for (2s)
	RetryTimeout time.Duration // after it a flush starts no further request or wait (3s)
	Timeout      time.Duration // of one request; a context that ends leaves so much to a flush's last one (30s)
	HoldMax      time.Duration // after it what somebody must act on becomes a dead letter, while other documents arrive (0: never)
	RequestMax   int           // bytes of one request, uncompressed (5 MB); a destination that finds less too much lowers it

	DeadLetterIndex string // index that takes dead letters first; empty: only the file
	DeadLetterPath  string // file that takes those that the index did not
	DeadLetterMax   int64  // size of that file (1 GiB)

	Fingerprint func(document []byte) string // keyed fingerprint for dead letters; nil: none
	Now         func() time.Time             // nil: time.Now
	Log         func(line string)            // takes lines that somebody must act on; nil: nobody does
}

// Deliverer brings batches to a destination, exactly once together with the
// chunk's ledger entry.
//
// Concurrency: all methods but Close may be called at the same time.
type Deliverer struct {
	o        Options
	dest     Destination
	gate     gate
	holds    holds
	file     deadFile
	reporter *Reporter
	counters Counters
	limit    atomic.Int64 // bytes of one request, as learnt
	pool     sync.Pool    // of *sending
}

// SendResult says what became of a batch.
type SendResult struct {
	Delivered int // documents delivered now, duplicates included
	Dead      int // documents whose dead letter was safely written now
	Waiting   int // documents to be given again: not taken for now
	Blocked   int // documents to be given again: somebody must act first
}

// Complete tells whether nothing is left to be given again.
func (r SendResult) Complete() bool { return r.Waiting == 0 && r.Blocked == 0 }

// Add adds another batch's result.
func (r *SendResult) Add(o SendResult) {
	r.Delivered += o.Delivered
	r.Dead += o.Dead
	r.Waiting += o.Waiting
	r.Blocked += o.Blocked
}

// New makes a Deliverer.
//
// Errors: a missing destination, or waits that contradict each other.
func New(o Options) (*Deliverer, error) {
	if o.Destination == nil {
		return nil, errors.New("deliver: no destination")
	}
	if o.RetryWaitMin <= 0 {
		o.RetryWaitMin = 200 * time.Millisecond
	}
	if o.RetryWaitMax <= 0 {
		o.RetryWaitMax = 2 * time.Second
	}
	if o.RetryTimeout <= 0 {
		o.RetryTimeout = 3 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.RequestMax <= 0 {
		o.RequestMax = 5 << 20
	}
	if o.DeadLetterMax <= 0 {
		o.DeadLetterMax = 1 << 30
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.RetryWaitMin > o.RetryWaitMax {
		return nil, fmt.Errorf("deliver: the shortest wait %s is longer than the longest %s", o.RetryWaitMin, o.RetryWaitMax)
	}
	d := &Deliverer{
		o:        o,
		dest:     o.Destination,
		gate:     gate{now: o.Now},
		holds:    holds{now: o.Now, max: o.HoldMax},
		file:     deadFile{path: o.DeadLetterPath, max: o.DeadLetterMax},
		reporter: NewReporter(o.Now, o.Log),
	}
	d.limit.Store(int64(o.RequestMax))
	d.pool.New = func() any { return new(sending) }
	return d, nil
}

// Counters gives the counters, which go on counting.
func (d *Deliverer) Counters() *Counters { return &d.counters }

// Reporter gives the reporter, so that other trouble is told at the same pace.
func (d *Deliverer) Reporter() *Reporter { return d.reporter }

// Down tells whether the last request brought nothing usable.
func (d *Deliverer) Down() bool { return d.gate.isDown() }

// RequestMax is the number of bytes that one request may have at present.
func (d *Deliverer) RequestMax() int { return int(d.limit.Load()) }

// Ready tells whether a flush may hope to send anything. If not, the
// destination is down and another flush is finding out whether it still is: the
// chunk should be given again, and nothing need be decoded for that.
func (d *Deliverer) Ready() bool {
	if d.gate.ready() {
		return true
	}
	d.counters.TurnedAway.Add(1)
	return false
}

// Close frees the destination. No other method may be running or be called
// later.
func (d *Deliverer) Close() error { return d.dest.Close() }

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

// Send delivers the documents of the batch that the entry has not noted, and
// notes what became of them. Documents that can never be taken become dead
// letters.
//
// It returns within Options.Timeout and Options.RetryTimeout together. A flush
// of several batches does so as a whole when all have one context that ends
// after that time: what one batch took of it, or the work between batches, the
// next ones do not have. The first batch of a flush is tried however late it
// is, or a slow node would never get anything done.
//
// Bytes: see Batch.
//
// Errors: what kept dead letters from being written; the result is right
// nonetheless and counts those documents as waiting. That a destination takes
// nothing, or that the context ends, is no error.
func (d *Deliverer) Send(ctx context.Context, b *Batch, entry *Entry) (SendResult, error) {
	s := d.pool.Get().(*sending)
	defer func() {
		clear(s.reasons) // keeps no strings alive
		d.pool.Put(s)
	}()
	t := &sendTask{sending: s, d: d, ctx: ctx, batch: b, entry: entry, until: d.until(ctx)}
	s.todo = s.todo[:0]
	for i := range b.Docs {
		if entry == nil || !entry.Has(b.Docs[i].Place) {
			s.todo = append(s.todo, int32(i))
		}
	}
	if len(s.todo) == 0 {
		return t.result, nil
	}
	if entry != nil {
		if entry.sent && (t.late() || d.gate.isDown()) {
			t.result.Waiting = len(s.todo)
			d.counters.NotNow.Add(uint64(len(s.todo)))
			return t.result, nil
		}
		entry.sent = true
	}
	admitted, probe := d.gate.enter()
	if !admitted {
		d.counters.TurnedAway.Add(1)
		t.result.Waiting = len(s.todo)
		return t.result, nil
	}
	defer d.gate.leave(probe)
	s.outcomes = append(s.outcomes[:0], make([]Outcome, len(b.Docs))...)
	s.reasons = append(s.reasons[:0], make([]reason, len(b.Docs))...)
	t.rounds()
	return t.result, t.settle()
}

// Late tells whether a flush with this context would start no further request,
// so that nothing more need be made ready for it.
func (d *Deliverer) Late(ctx context.Context) bool {
	return ctx.Err() != nil || d.o.Now().After(d.until(ctx))
}

// until is the moment after which a flush with this context starts no further
// request or wait.
func (d *Deliverer) until(ctx context.Context) time.Time {
	budget := d.o.RetryTimeout
	if end, ok := ctx.Deadline(); ok {
		budget = min(budget, time.Until(end)-d.o.Timeout)
	}
	return d.o.Now().Add(budget)
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

// pass sends the documents once, in as many requests as their size asks for.
func (t *sendTask) pass(which []int32) {
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

// request is what a destination needs to know to send some documents.
func (d *Deliverer) request(body []byte, docs []Doc, which []int32, until time.Time) Request {
	return Request{
		Body: body, Docs: docs, Which: which, RetryUntil: until,
		Timeout: d.o.Timeout, RetryWaitMin: d.o.RetryWaitMin, RetryWaitMax: d.o.RetryWaitMax,
	}
}

// count counts the requests of an exchange; again says that it repeats another.
func (d *Deliverer) count(ans *Answer, again bool) {
	repeats := ans.Attempts - 1
	if again {
		repeats++
	}
	d.counters.Requests.Add(uint64(max(ans.Attempts, 0)))
	d.counters.Retries.Add(uint64(max(repeats, 0)))
	d.counters.Bytes.Add(uint64(max(ans.Bytes, 0)))
}

// failed hears of each attempt that brought nothing usable while the
// destination still tries, so that other flushes need not find out themselves.
func (d *Deliverer) failed(status int, wait time.Duration) {
	if status == 429 {
		if wait > 0 {
			d.gate.hold(wait)
		}
		return
	}
	d.gate.usable(false)
}

// items notes the outcome of every document of a request.
func (t *sendTask) items(which []int32, ans *Answer) {
	for k, i := range which {
		item := &ans.Items[k]
		t.outcomes[i] = item.Outcome
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

// halve sends in two what was too large in one, and remembers the size that is
// too large. A document that is too large by itself is dead.
func (t *sendTask) halve(which []int32) bool {
	if len(which) == 1 {
		i := which[0]
		t.outcomes[i], t.reasons[i] = Dead, reason{"content_too_long", 413}
		return true
	}
	size := 0
	for _, i := range which {
		size += t.batch.Docs[i].End - t.batch.Docs[i].Off
	}
	t.d.lower(int64(size / 2))
	half, n := 0, 0
	for n < len(which)-1 && (n == 0 || half < size/2) {
		half += t.batch.Docs[which[n]].End - t.batch.Docs[which[n]].Off
		n++
	}
	for _, part := range [][]int32{which[:n], which[n:]} {
		if t.late() || !t.request(part) {
			return false
		}
	}
	return true
}

// lower remembers a smaller request size.
func (d *Deliverer) lower(limit int64) {
	limit = max(limit, 1)
	for {
		old := d.limit.Load()
		if limit >= old || d.limit.CompareAndSwap(old, limit) {
			return
		}
	}
}

// bisect looks for the documents that keep the destination from reading a
// request. They are dead only when others were taken: if nothing can be read,
// it is not one document's fault, and nobody is declared dead for it.
func (t *sendTask) bisect(which []int32) {
	t.suspects = t.suspects[:0]
	if len(which) == 1 {
		// The only document of its request: JSON that cannot be read is its
		// own, while other complaints may be about the request.
		t.suspects = append(t.suspects, which[0])
		t.condemn(strings.HasPrefix(t.answer.Type, "json_"))
		return
	}
	if taken := t.split(which); taken || len(t.suspects) < suspectsMax {
		t.condemn(taken)
		return
	}
	// It is not about documents: the others would fare no better.
	t.condemn(false)
	for _, i := range which {
		if t.outcomes[i] == Later {
			t.outcomes[i] = Blocked
		}
	}
}

// suspectsMax is how many documents in a row are found unreadable before the
// request as such is blamed.
const suspectsMax = 8

// split sends both halves and collects the single documents that cannot be
// read. It tells whether any document was taken.
func (t *sendTask) split(which []int32) (taken bool) {
	mid := len(which) / 2
	for _, part := range [][]int32{which[:mid], which[mid:]} {
		if t.late() || !taken && len(t.suspects) >= suspectsMax {
			return taken
		}
		switch ans := t.exchange(part); ans.Verdict {
		case Items:
			for _, i := range part {
				taken = taken || t.outcomes[i] == Delivered
			}
		case Malformed:
			if len(part) == 1 {
				t.suspects = append(t.suspects, part[0])
				t.reasons[part[0]] = reason{kindOr(ans.Type, "malformed"), uint16(ans.Status)}
			} else {
				taken = t.split(part) || taken
			}
		case TooLarge:
			// The next round halves it.
		default:
			return taken
		}
	}
	return taken
}

// condemn declares the suspects dead, or blocked when nothing else was taken.
func (t *sendTask) condemn(taken bool) {
	for _, i := range t.suspects {
		if t.reasons[i].kind == "" {
			t.reasons[i] = reason{kindOr(t.answer.Type, "malformed"), uint16(t.answer.Status)}
		}
		if taken {
			t.outcomes[i] = Dead
			continue
		}
		t.outcomes[i] = Blocked
		t.d.reporter.Report(t.batch.Docs[i].Index, t.reasons[i].kind, int(t.reasons[i].status), 1)
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
		ID: string(doc.ID[:]), Index: doc.Index, Time: time.Unix(doc.Sec, 0),
		Tag: t.batch.Tag, RuleVersion: t.batch.RuleVersion,
		Error: t.reasons[i].kind, Status: int(t.reasons[i].status),
		Size: len(text), Document: string(text),
	}
	if t.d.o.Fingerprint != nil {
		l.Fingerprint = t.d.o.Fingerprint(text)
	}
	return l
}

// DeadLetter writes dead letters of records that never became a document. When
// it returns nil they are safely kept.
//
// Errors: none of the letters may be taken as kept; the chunk must be given
// again. Writing a letter again is harmless in the index and repeats its line,
// with the same id, in the file.
func (d *Deliverer) DeadLetter(ctx context.Context, letters []DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	return d.bury(ctx, letters, d.until(ctx))
}

// bury writes dead letters to their index, and those that it does not take to
// the file.
func (d *Deliverer) bury(ctx context.Context, letters []DeadLetter, until time.Time) error {
	left := letters
	if d.o.DeadLetterIndex != "" && !d.gate.isDown() && ctx.Err() == nil && !d.o.Now().After(until) {
		var err error
		if left, err = d.index(ctx, letters, until); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		var lines []byte
		for i := range left {
			lines = append(left[i].AppendJSON(lines), '\n')
		}
		if err := d.file.append(lines, patience(ctx)); err != nil {
			d.reporter.Report("", "dead letters cannot be written", 0, len(left))
			return err
		}
		d.counters.DeadInFile.Add(uint64(len(left)))
	}
	d.counters.Dead.Add(uint64(len(letters)))
	for i := range letters {
		d.reporter.Aside(letters[i].Index, letters[i].Error, letters[i].Status, 1)
	}
	return nil
}

// patience is how long the dead-letter file may be waited for.
func patience(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return min(lockPatience, time.Until(end))
	}
	return lockPatience
}

// index sends dead letters to their index and returns those that it did not
// take.
func (d *Deliverer) index(ctx context.Context, letters []DeadLetter, until time.Time) ([]DeadLetter, error) {
	var left []DeadLetter
	var body []byte
	docs := make([]Doc, 0, len(letters))
	which := make([]int32, 0, len(letters))
	first := 0
	flush := func(end int) {
		if len(docs) == 0 {
			return
		}
		var ans Answer
		if !d.o.Now().After(until) {
			req := d.request(body, docs, which, until)
			req.Failed = d.failed
			d.dest.Send(ctx, &req, &ans)
			d.count(&ans, false)
		}
		for k := range docs {
			if ans.Verdict != Items || len(ans.Items) != len(docs) || ans.Items[k].Outcome != Delivered {
				left = append(left, letters[first+k])
			}
		}
		body, docs, which, first = body[:0], docs[:0], which[:0], end
	}
	for i := range letters {
		if !usableID(letters[i].ID) {
			return nil, errDeadLetterID
		}
		off := len(body)
		body = d.dest.Frame(body, d.o.DeadLetterIndex, letters[i].ID)
		start := len(body)
		body = append(letters[i].AppendJSON(body), '\n')
		docs = append(docs, Doc{Off: off, JSONOff: start, End: len(body), Index: d.o.DeadLetterIndex, Place: -1})
		which = append(which, int32(len(docs)-1))
		if len(body) >= d.RequestMax() {
			flush(i + 1)
		}
	}
	flush(len(letters))
	return left, nil
}

// kindOr gives kind, or other when that is empty.
func kindOr(kind, other string) string {
	if kind == "" {
		return other
	}
	return kind
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
