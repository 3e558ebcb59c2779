package deliver

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func key(n uint64) (d [16]byte) {
	binary.LittleEndian.PutUint64(d[:], n)
	return d
}

func TestLedger_Numbers(t *testing.T) {
	l := NewLedger(1<<20, nil)
	claim := func(want uint32) *Entry {
		t.Helper()
		n, e := l.Claim(key(1))
		if n != want || e.N() != want {
			t.Fatalf("claimed %d, want %d", n, want)
		}
		return e
	}
	a, b := claim(0), claim(1)
	a.Done(3)
	a.Dead(200)
	a.Done(-1)
	a.Finish(false)
	b.Finish(true)
	a = claim(0) // the waiting one first
	if !a.Has(3) || !a.Has(200) || a.Has(4) || a.Has(-1) || a.Has(1000) || a.DeadLetters() != 1 || a.Attempts() != 2 {
		t.Errorf("the entry forgot: %+v", a)
	}
	c := claim(2) // 1 is delivered
	a.Finish(true)
	a.Finish(false) // a second end changes nothing
	d := claim(3)
	c.Finish(true)
	d.Finish(true)
	claim(4).Finish(true)
	if l.Len() != 0 {
		t.Errorf("%d entries wait, want none", l.Len())
	}
}

func TestLedger_ForgetsFinishedBeforeWaiting(t *testing.T) {
	l := NewLedger(100*(digestCost+entryCost), nil)
	_, w := l.Claim(key(0))
	w.Done(7)
	w.Finish(false)
	for i := uint64(1); i < 10000; i++ {
		_, e := l.Claim(key(i))
		e.Finish(true)
	}
	if l.Size() > 100*(digestCost+entryCost) {
		t.Errorf("size %d is over the bound", l.Size())
	}
	if _, w = l.Claim(key(0)); !w.Has(7) || w.Attempts() != 2 {
		t.Error("the waiting entry was forgotten while finished ones were kept")
	}
	w.Finish(true)
	var held []*Entry
	for i := uint64(20000); i < 21000; i++ { // more waiting than there is room for
		_, e := l.Claim(key(i))
		e.Done(5000)
		held = append(held, e)
	}
	for _, e := range held {
		e.Finish(false)
	}
	if l.Size() > 100*(digestCost+entryCost) {
		t.Errorf("size %d is over the bound", l.Size())
	}
	if n, e := l.Claim(key(20000)); n != 0 || e.Has(5000) {
		t.Error("a forgotten waiting entry must start again with its number")
	}
}

// weigh counts anew what the ledger should account for.
func (l *Ledger) weigh() int {
	n := 0
	for _, d := range l.digests {
		n += digestCost + 16*len(d.above)
		for _, e := range d.entries {
			n += e.cost
		}
	}
	return n
}

// Whatever is claimed, given back and forgotten, the account is right, the bound
// holds but for what is in flight, and no number is in flight twice.
func TestLedger_Accounts(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		const most = 6 * (digestCost + entryCost)
		l := NewLedger(most, nil)
		type claim struct {
			d uint64
			n uint32
		}
		flying := map[claim]*Entry{}
		for range 400 {
			if len(flying) < 3 && r.IntN(2) == 0 {
				d := r.Uint64N(9)
				n, e := l.Claim(key(d))
				if flying[claim{d, n}] != nil {
					t.Fatalf("seed %d: number %d of chunk %d is in flight twice", seed, n, d)
				}
				flying[claim{d, n}] = e
				e.Done(r.Int32N(2000))
			}
			for c, e := range flying {
				if r.IntN(2) == 0 {
					e.Finish(r.IntN(3) > 0)
					delete(flying, c)
				}
			}
			if got, want := l.Size(), l.weigh(); got != want {
				t.Fatalf("seed %d: it accounts for %d bytes, want %d", seed, got, want)
			}
			if over := l.Size() - most; over > 0 && l.idle.Len()+l.waiting.Len() > 0 {
				t.Fatalf("seed %d: %d bytes over the bound, while %d could be forgotten", seed, over, l.idle.Len()+l.waiting.Len())
			}
		}
	}
}

// Every copy of equal chunks arrives exactly once, whatever the order of
// flushes, losses of answers and retries.
func TestLedger_EveryCopyOnce(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := NewLedger(1<<20, func() time.Time { return time.Unix(0, 0) })
		const kinds, docs = 3, 5
		type copyID struct {
			d     uint64
			n     uint32
			place int32
		}
		index := map[copyID]int{}
		var waiting []uint64 // chunks that the host holds
		want := map[uint64]int{}
		for range 1 + r.IntN(8) {
			d := r.Uint64N(kinds)
			waiting = append(waiting, d)
			want[d]++
		}
		type flight struct {
			d uint64
			e *Entry
		}
		var flying []flight
		for len(waiting)+len(flying) > 0 {
			if len(flying) < 4 && len(waiting) > 0 && (len(flying) == 0 || r.IntN(2) == 0) {
				i := r.IntN(len(waiting))
				d := waiting[i]
				waiting = append(waiting[:i], waiting[i+1:]...)
				_, e := l.Claim(key(d))
				flying = append(flying, flight{d, e})
				continue
			}
			i := r.IntN(len(flying))
			f := flying[i]
			flying = append(flying[:i], flying[i+1:]...)
			complete := true
			for p := range int32(docs) {
				if f.e.Has(p) {
					continue
				}
				switch r.IntN(4) {
				case 0: // not taken
					complete = false
				case 1: // taken, but the answer is lost
					index[copyID{f.d, f.e.N(), p}]++
					complete = false
				default:
					index[copyID{f.d, f.e.N(), p}]++
					f.e.Done(p)
				}
			}
			f.e.Finish(complete)
			if !complete {
				waiting = append(waiting, f.d)
			}
		}
		total := 0
		for _, n := range want {
			total += n * docs
		}
		// Equal ids are one document in the index: exactly as many different
		// ones as documents were handed in means that each is there once.
		if len(index) != total {
			t.Fatalf("seed %d: %d documents, want %d", seed, len(index), total)
		}
	}
}

func TestLedger_Concurrent(t *testing.T) {
	l := NewLedger(1<<20, nil)
	const workers, each = 8, 500
	var mu sync.Mutex
	delivered := map[uint32]int{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 2))
			for range each {
				for {
					n, e := l.Claim(key(9))
					e.Done(1)
					ok := r.IntN(3) > 0
					if ok {
						mu.Lock()
						delivered[n]++
						mu.Unlock()
					}
					e.Finish(ok)
					if ok {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	if len(delivered) != workers*each {
		t.Fatalf("%d different numbers delivered, want %d", len(delivered), workers*each)
	}
	for n, times := range delivered {
		if times != 1 || n >= workers*each {
			t.Fatalf("number %d delivered %d times", n, times)
		}
	}
}

func BenchmarkLedger(b *testing.B) {
	l := NewLedger(10<<20, nil)
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		_, e := l.Claim(key(i))
		for p := range int32(5000) {
			e.Done(p)
		}
		e.Finish(true)
	}
}
