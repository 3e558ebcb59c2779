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
