package deliver

import (
	"context"
	"time"
)

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

// bury writes dead letters, and tells what keeps it from that.
func (d *Deliverer) bury(ctx context.Context, letters []DeadLetter, until time.Time) error {
	err := d.keep(ctx, letters, until)
	if err != nil {
		d.reporter.Unkept(len(letters), err)
	}
	return err
}

// keep writes dead letters to their index, and those that it does not take to
// the file.
func (d *Deliverer) keep(ctx context.Context, letters []DeadLetter, until time.Time) error {
	left := letters
	if d.o.DeadLetterIndex != "" && !d.gate.isDown() {
		var err error
		if left, err = d.index(ctx, letters, until); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		if err := d.file.append(left, patience(ctx)); err != nil {
			return err
		}
		d.counters.DeadInFile.Add(uint64(len(left)))
	}
	d.counters.Dead.Add(uint64(len(letters)))
	for i := range letters {
		d.counters.DeadBy.add(letters[i].Error)
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
	for i := range letters {
		if !usableID(letters[i].ID) {
			return nil, errDeadLetterID
		}
	}
	b := burial{d: d, ctx: ctx, until: until}
	for len(letters) > 0 && !b.over() {
		letters = letters[b.send(letters, d.RequestMax()):]
	}
	return append(b.left, letters...), nil
}

// burial is dead letters on their way to their index, and the memory of one
// request.
type burial struct {
	d     *Deliverer
	ctx   context.Context
	until time.Time
	ended bool         // the index takes nothing now
	left  []DeadLetter // what it did not take
	body  []byte
	docs  []Doc
	which []int32
}

// over tells that no further request is worth making.
func (b *burial) over() bool {
	return b.ended || b.ctx.Err() != nil || b.d.o.Now().After(b.until)
}

// send makes one request of the first letters, as many as limit holds but at
// least one, and gives their number. What is too large in one request is sent in
// two, so that only a letter too large by itself is left.
func (b *burial) send(letters []DeadLetter, limit int) int {
	n, d := 0, b.d
	b.body, b.docs, b.which = b.body[:0], b.docs[:0], b.which[:0]
	for n < min(len(letters), docsMax) {
		off := len(b.body)
		b.body = d.dest.Frame(b.body, d.o.DeadLetterIndex, letters[n].key())
		start := len(b.body)
		b.body = append(letters[n].AppendJSON(b.body), '\n')
		if n > 0 && len(b.body) > limit {
			b.body = b.body[:off]
			break
		}
		b.docs = append(b.docs, Doc{Off: off, JSONOff: start, End: len(b.body), Index: d.o.DeadLetterIndex, Place: -1})
		b.which = append(b.which, int32(n))
		n++
	}
	var ans Answer
	req := d.request(b.body, b.docs, b.which, b.until)
	req.Failed = d.failed
	d.dest.Send(b.ctx, &req, &ans)
	d.count(&ans, false)
	switch {
	case ans.Verdict == TooLarge && n > 1:
		d.lower(int64(len(b.body) / 2))
		half := len(b.body) / 2
		for sent := 0; sent < n; {
			if b.over() {
				b.left = append(b.left, letters[sent:n]...)
				return n
			}
			sent += b.send(letters[sent:n], half)
		}
		return n
	case ans.Verdict == Items && len(ans.Items) == n:
		for k := range n {
			if ans.Items[k].Outcome != Delivered {
				b.left = append(b.left, letters[k])
			}
		}
		return n
	}
	// One letter may be at fault by itself; anything else would only be met
	// again by the next request.
	b.ended = ans.Verdict != TooLarge && ans.Verdict != Malformed
	b.left = append(b.left, letters[:n]...)
	return n
}
