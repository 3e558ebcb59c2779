package deliver

import (
	"container/list"
	"sync"
	"time"
)

// What a ledger's parts cost in memory, measured generously: a digest with its
// count in the map and the list, and an entry beside its bits.
const (
	digestCost = 160
	entryCost  = 144
)

// Ledger remembers, across the flushes of one instance, which copies of which
// chunks are delivered, and of those that are not, which documents already are.
//
// A chunk is known by the digest of its bytes, tag and node. Chunks of equal
// digest are told apart by an occurrence number n: a flush claims the smallest
// n that is neither delivered nor in flight, so a chunk that is given again
// gets its number again and a second equal chunk gets the next one.
//
// Memory is bounded: digests without anything waiting are forgotten before
// waiting entries, the oldest first. A forgotten waiting entry costs answers
// "already there" when its chunk comes again. A forgotten digest restarts at 0.
//
// Concurrency: all methods may be called at the same time.
type Ledger struct {
	mu      sync.Mutex
	max     int
	now     func() time.Time
	size    int
	digests map[[16]byte]*digest
	idle    list.List // of *digest that have no entry, least recently used first
	waiting list.List // of *Entry that wait, least recently used first
}

// digest is all that is known of the chunks of one digest.
type digest struct {
	key     [16]byte
	low     uint32            // every n below is delivered
	above   map[uint32]bool   // delivered n above low, while one below waits
	entries map[uint32]*Entry // in flight or waiting
	place   *list.Element     // in idle, when there is no entry
}

// Entry is one occurrence of a chunk whose delivery is not finished.
//
// Concurrency: the flush that claimed the entry owns it until Finish; after
// that it must not be touched.
type Entry struct {
	ledger   *Ledger
	digest   *digest
	n        uint32
	attempts int
	first    time.Time
	bits     []uint64 // delivered, or its dead letter is written
	dead     int      // how many of them are dead letters
	cost     int      // what the ledger accounts for this entry
	place    *list.Element
	inFlight bool
	sent     bool // the flush that holds it has made a request
}

// NewLedger makes a ledger of at most max bytes.
func NewLedger(max int, now func() time.Time) *Ledger {
	if now == nil {
		now = time.Now
	}
	return &Ledger{max: max, now: now, digests: map[[16]byte]*digest{}}
}

// Claim takes an occurrence of the chunk for a flush: a waiting one if there is
// any, the smallest number first, else a new one. The flush must call Finish.
func (l *Ledger) Claim(d [16]byte) (n uint32, entry *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dig := l.digests[d]
	if dig == nil {
		dig = &digest{key: d}
		l.digests[d] = dig
		l.size += digestCost
	}
	if dig.place != nil {
		l.idle.Remove(dig.place)
		dig.place = nil
	}
	var found *Entry
	for _, e := range dig.entries {
		if !e.inFlight && (found == nil || e.n < found.n) {
			found = e
		}
	}
	if found != nil {
		l.waiting.Remove(found.place)
		found.place = nil
	} else {
		n := dig.low
		for dig.above[n] || dig.entries[n] != nil {
			n++
		}
		found = &Entry{ledger: l, digest: dig, n: n, first: l.now(), cost: entryCost}
		if dig.entries == nil {
			dig.entries = make(map[uint32]*Entry, 1)
		}
		dig.entries[n] = found
		l.size += entryCost
	}
	found.inFlight, found.sent = true, false
	found.attempts++
	l.shrink()
	return found.n, found
}

// Len tells how many chunks wait to be given again.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting.Len()
}

// Size tells how many bytes the ledger accounts for.
func (l *Ledger) Size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// shrink forgets what it must to stay within bounds. Entries in flight stay:
// there are as many as there are flushes.
func (l *Ledger) shrink() {
	for l.size > l.max {
		if el := l.idle.Front(); el != nil {
			l.forget(el.Value.(*digest))
			continue
		}
		el := l.waiting.Front()
		if el == nil {
			return
		}
		e := el.Value.(*Entry)
		l.waiting.Remove(el)
		l.drop(e)
	}
}

// drop takes an entry out of its digest, which may become idle by that.
func (l *Ledger) drop(e *Entry) {
	l.size -= e.cost
	delete(e.digest.entries, e.n)
	e.place, e.bits = nil, nil
	if len(e.digest.entries) == 0 {
		e.digest.place = l.idle.PushBack(e.digest)
	}
}

// forget removes an idle digest.
func (l *Ledger) forget(d *digest) {
	l.idle.Remove(d.place)
	delete(l.digests, d.key)
	l.size -= digestCost + 16*len(d.above)
}

// N is the occurrence number.
func (e *Entry) N() uint32 { return e.n }

// Attempts tells how often this occurrence was claimed, the current flush
// included: 1 means that the chunk was not seen before.
func (e *Entry) Attempts() int { return e.attempts }

// First is the moment of the first attempt.
func (e *Entry) First() time.Time { return e.first }

// Has tells whether the i-th document is delivered or its dead letter written.
func (e *Entry) Has(i int32) bool {
	w := int(i) >> 6
	return i >= 0 && w < len(e.bits) && e.bits[w]&(1<<(uint(i)&63)) != 0
}

// Done notes that the i-th document is delivered. A negative i is not noted.
func (e *Entry) Done(i int32) {
	if i < 0 {
		return
	}
	w := int(i) >> 6
	if w >= len(e.bits) {
		grown := make([]uint64, max(w+1, 2*len(e.bits)))
		copy(grown, e.bits)
		e.bits = grown
	}
	e.bits[w] |= 1 << (uint(i) & 63)
}

// Dead notes that the i-th document's dead letter is safely written.
func (e *Entry) Dead(i int32) {
	if i >= 0 && !e.Has(i) {
		e.dead++
	}
	e.Done(i)
}

// DeadLetters tells how many documents were noted by Dead.
func (e *Entry) DeadLetters() int { return e.dead }

// Finish ends the flush's hold on the entry: delivered says that every record
// of the chunk is delivered or its dead letter written. If not, the entry waits
// for the chunk to come again. A second call does nothing.
func (e *Entry) Finish(delivered bool) {
	l := e.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if !e.inFlight {
		return
	}
	e.inFlight = false
	if !delivered {
		// It may wait for long, so it keeps no more than it needs.
		last := len(e.bits)
		for last > 0 && e.bits[last-1] == 0 {
			last--
		}
		if last < len(e.bits) {
			e.bits = append(make([]uint64, 0, last), e.bits[:last]...)
		}
		cost := entryCost + 8*len(e.bits)
		l.size += cost - e.cost
		e.cost = cost
		e.place = l.waiting.PushBack(e)
		l.shrink()
		return
	}
	d := e.digest
	if e.n == d.low {
		d.low++
		for d.above[d.low] {
			delete(d.above, d.low)
			l.size -= 16
			d.low++
		}
	} else {
		if d.above == nil {
			d.above = make(map[uint32]bool)
		}
		d.above[e.n] = true
		l.size += 16
	}
	l.drop(e)
	l.shrink()
}
