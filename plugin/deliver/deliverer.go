package deliver

import (
	"context"
	"errors"
	"fmt"
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
	lowered  atomic.Int64 // when it was learnt, or widened, in Unix nanoseconds
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
		gate:     gate{now: o.Now, rest: min(o.RetryWaitMax, restMax)},
		holds:    holds{now: o.Now, max: o.HoldMax},
		file:     deadFile{path: o.DeadLetterPath, max: o.DeadLetterMax},
		reporter: NewReporter(o.Now, o.Log),
	}
	if a, ok := o.Destination.(Advisor); ok {
		d.reporter.advise = a.Advise
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

// kindOr gives kind, or other when that is empty.
func kindOr(kind, other string) string {
	if kind == "" {
		return other
	}
	return kind
}
