package plugin

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/deliver"
)

// slow is a store whose requests take time and note when they began.
type slow struct {
	store
	takes func(n int) (time.Duration, deliver.Verdict) // of the n-th request
	began []time.Duration                              // since the flush began
	start time.Time
	n     int
}

func (s *slow) Send(ctx context.Context, req *deliver.Request, ans *deliver.Answer) {
	s.began = append(s.began, time.Since(s.start))
	takes, verdict := s.takes(s.n)
	s.n++
	select {
	case <-ctx.Done():
		verdict = deliver.NoAnswer
	case <-time.After(takes):
	}
	if verdict == deliver.Items {
		s.store.Send(ctx, req, ans)
		return
	}
	ans.Reset()
	ans.Verdict, ans.Attempts = verdict, 1
}

// lines is a chunk of numbered records.
func lines(n int) []byte {
	c := new(decodetest.Chunk)
	for i := range n {
		c.Record(when, rec{"log", fmt.Sprint("line ", i), "n", i})
	}
	return c.Bytes()
}

const (
	budgetTimeout = 30 * time.Second
	budgetRetry   = 3 * time.Second
)

// slowInstance makes batches of a few records.
func slowInstance(t *testing.T, s *slow, keys ...string) *Instance {
	t.Helper()
	in, _ := instance(t, s, append([]string{"Bulk_Size", "1k", "Timeout", "30s", "Retry_Timeout", "3s", "Retry_Wait_Min", "200ms", "Retry_Wait_Max", "2s"}, keys...)...)
	return in
}

// flushTimed flushes and holds the promise: Timeout and Retry_Timeout together,
// and after Retry_Timeout no request but the flush's first.
func flushTimed(t *testing.T, in *Instance, s *slow, chunk []byte) Result {
	t.Helper()
	s.start, s.began = time.Now(), nil
	r := in.Flush(context.Background(), "t", chunk)
	if took := time.Since(s.start); took > budgetTimeout+budgetRetry {
		t.Errorf("a flush took %s", took)
	}
	for i, at := range s.began {
		if i > 0 && at > budgetRetry {
			t.Errorf("request %d began after %s", i, at)
		}
	}
	return r
}

func TestFlush_BatchesShareOneBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{takes: func(int) (time.Duration, deliver.Verdict) { return time.Second, deliver.Items }}
		in := slowInstance(t, s)
		chunk := lines(100)
		rounds := 1
		for flushTimed(t, in, s, chunk) != OK {
			if rounds++; rounds > 20 {
				t.Fatal("no progress")
			}
			if len(s.began) != 4 { // at 0, 1, 2 and 3 seconds
				t.Errorf("%d requests of one second each in one flush", len(s.began))
			}
		}
		if rounds == 1 || len(s.docs) != 100 || s.twice != 0 {
			t.Errorf("%d flushes, %d documents, %d of them twice", rounds, len(s.docs), s.twice)
		}
	})
}

func TestFlush_DownEndsIt(t *testing.T) {
	for name, verdict := range map[string]deliver.Verdict{"no answer": deliver.NoAnswer, "refused": deliver.Refused} {
		synctest.Test(t, func(t *testing.T) {
			s := &slow{takes: func(int) (time.Duration, deliver.Verdict) { return budgetTimeout, verdict }}
			in := slowInstance(t, s)
			if r := flushTimed(t, in, s, lines(100)); r != Retry || len(s.began) != 1 {
				t.Errorf("%s: %v after %d requests, want one", name, r, len(s.began))
			}
		})
	}
}

// A node so slow that writing the first batch takes longer than Retry_Timeout
// still gets one batch done with each flush.
func TestFlush_SlowEncodingMakesProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{takes: func(int) (time.Duration, deliver.Verdict) { return time.Second, deliver.Items }}
		in := slowInstance(t, s)
		in.fail = func(st stage, _ int) {
			if st == stageEncode {
				time.Sleep(time.Second)
			}
		}
		chunk := lines(60)
		for i := 0; in.Flush(context.Background(), "t", chunk) != OK; i++ {
			if len(s.began) != i+1 || i > 20 {
				t.Fatalf("flush %d: %d requests", i, len(s.began))
			}
		}
		if len(s.docs) != 60 || s.twice != 0 {
			t.Errorf("%d documents, %d of them twice", len(s.docs), s.twice)
		}
	})
}

// Whatever requests and encoding take, and whatever comes of them, a flush keeps
// its time and every record arrives once.
func TestFlush_BudgetHoldsWhateverHappens(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			s := &slow{takes: func(int) (time.Duration, deliver.Verdict) {
				verdict := []deliver.Verdict{deliver.Items, deliver.Items, deliver.Items, deliver.Throttled, deliver.NoAnswer, deliver.Refused, deliver.TooLarge}[rnd.IntN(7)]
				return time.Duration(rnd.Int64N(int64([]time.Duration{100 * time.Millisecond, 2 * time.Second, 2 * budgetTimeout}[rnd.IntN(3)]))), verdict
			}}
			s.answer = func(int) deliver.Item {
				switch rnd.IntN(20) {
				case 0:
					return deliver.Item{Outcome: deliver.Later, Status: 429, Throttled: true}
				case 1:
					return deliver.Item{Outcome: deliver.Blocked, Status: 403}
				}
				return deliver.Item{Outcome: deliver.Delivered, Status: 201}
			}
			in := slowInstance(t, s, "Dead_Letter_Index", "dead")
			in.fail = func(st stage, _ int) {
				if st == stageEncode && rnd.IntN(4) == 0 {
					time.Sleep(time.Duration(rnd.Int64N(int64(300 * time.Millisecond))))
				}
			}
			chunk := lines(50)
			for i := 0; flushTimed(t, in, s, chunk) != OK; i++ {
				if i > 1000 {
					t.Fatalf("seed %d: no progress", seed)
				}
				time.Sleep(2 * time.Second)
			}
		})
	}
}
