package deliver

import (
	"strings"
	"time"
)

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
			break
		}
	}
	d.lowered.Store(d.o.Now().UnixNano())
}

// widenAfter is how long a smaller request size is kept before twice of it is
// tried: a proxy or a limit that was in the way may be gone.
const widenAfter = 10 * time.Minute

// RequestMax is the number of bytes that one request may have at present.
func (d *Deliverer) RequestMax() int {
	limit := d.limit.Load()
	if limit >= int64(d.o.RequestMax) {
		return int(limit)
	}
	lowered, now := d.lowered.Load(), d.o.Now().UnixNano()
	if now-lowered > int64(widenAfter) && d.lowered.CompareAndSwap(lowered, now) {
		wider := min(2*limit, int64(d.o.RequestMax))
		if d.limit.CompareAndSwap(limit, wider) {
			return int(wider)
		}
	}
	return int(limit)
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
