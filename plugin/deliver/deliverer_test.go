package deliver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// script is a destination that answers as a function says. It frames documents
// with their index and id.
type script struct {
	mu       sync.Mutex
	requests [][]int32 // Which of each request
	sizes    []int
	answer   func(n int, req *Request, ans *Answer) // of the n-th request
}

func (s *script) Send(_ context.Context, req *Request, ans *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ans.Reset()
	ans.Attempts = 1
	n := len(s.requests)
	s.requests = append(s.requests, slices.Clone(req.Which))
	s.sizes = append(s.sizes, req.Size())
	s.answer(n, req, ans)
}

func (s *script) Frame(dst []byte, index, id string) []byte {
	return fmt.Appendf(dst, "%s/%s\n", index, id)
}
func (s *script) Close() error { return nil }

// items answers each document by itself.
func items(req *Request, ans *Answer, of func(d *Doc) Item) {
	ans.Verdict, ans.Status = Items, 200
	for _, i := range req.Which {
		ans.Items = append(ans.Items, of(&req.Docs[i]))
	}
}

func taken(*Doc) Item { return Item{Outcome: Delivered, Status: 201} }

// verdict answers every request alike.
func verdict(v Verdict, status int, typ string) func(int, *Request, *Answer) {
	return func(_ int, _ *Request, ans *Answer) { ans.Verdict, ans.Status, ans.Type = v, status, typ }
}

// numbered is a batch of n documents for index a.
func numbered(s *script, n int) *Batch {
	b := &Batch{Tag: "t", RuleVersion: "v"}
	for i := range n {
		d := Doc{Off: len(b.Body), Index: "a", Place: int32(i), Sec: 1_700_000_000}
		copy(d.ID[:], fmt.Sprintf("%020d", i))
		b.Body = s.Frame(b.Body, d.Index, string(d.ID[:]))
		d.JSONOff = len(b.Body)
		b.Body = fmt.Appendf(b.Body, "{\"n\":%d}\n", i)
		d.End = len(b.Body)
		b.Docs = append(b.Docs, d)
	}
	return b
}

func deliverer(t *testing.T, s *script, o Options) *Deliverer {
	t.Helper()
	o.Destination = s
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestNew_RefusesWaits(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("no destination was taken")
	}
	if _, err := New(Options{Destination: &script{}, RetryWaitMin: time.Minute}); err == nil {
		t.Error("a shortest wait beyond the longest was taken")
	}
}

// What one request means for the flush, with a clock that runs only while all
// wait.
func TestSend_Verdicts(t *testing.T) {
	const n = 10
	tests := map[string]struct {
		answer   func(int, *Request, *Answer)
		limit    int // bytes of a request
		want     SendResult
		requests int // 0: any number
		longest  time.Duration
		down     bool
	}{
		"taken":                     {answer: func(_ int, req *Request, ans *Answer) { items(req, ans, taken) }, want: SendResult{Delivered: n}, requests: 1},
		"in several requests":       {answer: func(_ int, req *Request, ans *Answer) { items(req, ans, taken) }, limit: 100, want: SendResult{Delivered: n}, requests: 4},
		"no answer":                 {answer: verdict(NoAnswer, 0, ""), want: SendResult{Waiting: n}, longest: 3 * time.Second, down: true},
		"refused ends at once":      {answer: verdict(Refused, 401, ""), want: SendResult{Blocked: n}, requests: 1, down: true},
		"refused before the others": {answer: verdict(Refused, 401, ""), limit: 100, want: SendResult{Blocked: 3, Waiting: n - 3}, requests: 1, down: true},
		"too few items":             {answer: func(_ int, req *Request, ans *Answer) { items(req, ans, taken); ans.Items = ans.Items[1:] }, want: SendResult{Waiting: n}, longest: 3 * time.Second, down: true},
		"too many items": {answer: func(_ int, req *Request, ans *Answer) {
			items(req, ans, taken)
			ans.Items = append(ans.Items, ans.Items[0])
		}, want: SendResult{Waiting: n}, longest: 3 * time.Second, down: true},
		"no items": {answer: verdict(Items, 200, ""), want: SendResult{Waiting: n}, longest: 3 * time.Second, down: true},
		"asks to wait for a year": {answer: func(i int, req *Request, ans *Answer) {
			if i == 0 {
				ans.Verdict, ans.Status, ans.RetryAfter = Throttled, 429, 365*24*time.Hour
				return
			}
			items(req, ans, taken)
		}, want: SendResult{Delivered: n}, requests: 2, longest: 2 * time.Second},
		"each alone is too large": {answer: func(_ int, req *Request, ans *Answer) {
			if req.Docs[req.Which[0]].Index == "dead" {
				items(req, ans, taken)
				return
			}
			ans.Verdict, ans.Status = TooLarge, 413
		}, want: SendResult{Dead: n}},
		"all is unreadable": {answer: verdict(Malformed, 400, "illegal_argument_exception"), want: SendResult{Blocked: n}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answer: tt.answer}
				d := deliverer(t, s, Options{RequestMax: tt.limit, DeadLetterIndex: "dead"})
				start := time.Now()
				got, err := d.Send(context.Background(), numbered(s, n), nil)
				if err != nil || got != tt.want {
					t.Errorf("%+v %v, want %+v", got, err, tt.want)
				}
				if took := time.Since(start); took > tt.longest {
					t.Errorf("it took %s, want no more than %s", took, tt.longest)
				}
				if tt.requests != 0 && len(s.requests) != tt.requests {
					t.Errorf("%d requests, want %d", len(s.requests), tt.requests)
				}
				if d.Down() != tt.down {
					t.Errorf("down: %v, want %v", d.Down(), tt.down)
				}
			})
		})
	}
}

// A request that cannot be read is searched for the documents that make it so,
// and no longer than that makes sense.
func TestSend_Unreadable(t *testing.T) {
	const n = 4096
	for name, tt := range map[string]struct {
		bad      func(place int32) bool
		want     SendResult
		requests int // at most
	}{
		"three of many": {func(p int32) bool { return p == 7 || p == 2000 || p == 2001 }, SendResult{Delivered: n - 3, Dead: 3}, 80},
		"all":           {func(int32) bool { return true }, SendResult{Blocked: n}, 40},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{}
			s.answer = func(_ int, req *Request, ans *Answer) {
				for _, i := range req.Which {
					if p := req.Docs[i].Place; p >= 0 && tt.bad(p) {
						ans.Verdict, ans.Status, ans.Type = Malformed, 400, "json_e_o_f_exception"
						return
					}
				}
				items(req, ans, taken)
			}
			d := deliverer(t, s, Options{DeadLetterIndex: "dead"})
			got, err := d.Send(context.Background(), numbered(s, n), nil)
			if err != nil || got != tt.want || len(s.requests) > tt.requests {
				t.Errorf("%+v %v after %d requests, want %+v after %d", got, err, len(s.requests), tt.want, tt.requests)
			}
		})
	}
}

// A destination that hangs is found out about by one flush; those that the host
// gives right after it, as at its end, are turned away at once.
func TestSend_HangsOnlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: func(_ int, req *Request, ans *Answer) {
			time.Sleep(req.Timeout)
			ans.Verdict, ans.Cause = NoAnswer, "timeout"
		}}
		d := deliverer(t, s, Options{Timeout: 30 * time.Second})
		began := time.Now()
		for range 64 {
			if d.Ready() {
				if got, err := d.Send(context.Background(), numbered(s, 3), nil); err != nil || got.Waiting != 3 {
					t.Fatalf("%+v %v", got, err)
				}
			}
		}
		if took := time.Since(began); took > 33*time.Second || d.Counters().TurnedAway.Load() != 63 {
			t.Errorf("%s, %d turned away", took, d.Counters().TurnedAway.Load())
		}
		time.Sleep(time.Second)
		s.answer = func(_ int, req *Request, ans *Answer) { items(req, ans, taken) }
		if got, err := d.Send(context.Background(), numbered(s, 3), nil); !d.Ready() || err != nil || got.Delivered != 3 {
			t.Errorf("after it: %+v %v", got, err)
		}
	})
}

// What was too large is tried again, twice as large each time, when the limit
// may be gone.
func TestSend_WidensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := 200
		s := &script{}
		s.answer = func(_ int, req *Request, ans *Answer) {
			if req.Size() > limit {
				ans.Verdict, ans.Status = TooLarge, 413
				return
			}
			items(req, ans, taken)
		}
		d := deliverer(t, s, Options{RequestMax: 1000})
		b := numbered(s, 100)
		for minute := range 60 {
			if minute == 15 {
				limit = 1 << 20
			}
			s.requests, s.sizes = nil, nil
			if got, err := d.Send(context.Background(), b, nil); err != nil || got.Delivered != len(b.Docs) {
				t.Fatalf("minute %d: %+v %v", minute, got, err)
			}
			largest := slices.Max(s.sizes)
			switch {
			case minute > 0 && minute <= 10 && largest > 200, minute > 11 && minute < 20 && largest > 200, minute > 57 && largest < 900:
				t.Fatalf("minute %d: requests of %v bytes", minute, s.sizes)
			}
			time.Sleep(time.Minute)
		}
	})
}

// What was found too large once is not sent again in that size.
func TestSend_RemembersWhatIsTooLarge(t *testing.T) {
	const limit = 300
	s := &script{}
	s.answer = func(_ int, req *Request, ans *Answer) {
		if req.Size() > limit {
			ans.Verdict, ans.Status = TooLarge, 413
			return
		}
		items(req, ans, taken)
	}
	d := deliverer(t, s, Options{})
	for round := range 2 {
		s.requests, s.sizes = nil, nil
		if got, err := d.Send(context.Background(), numbered(s, 100), nil); err != nil || got.Delivered != 100 {
			t.Fatalf("%+v %v", got, err)
		}
		if largest := slices.Max(s.sizes); round == 1 && largest > limit {
			t.Errorf("a request of %d bytes after the limit was known", largest)
		}
	}
}

// An answer has a length that can be read, however small documents are.
func TestSend_ManySmallDocuments(t *testing.T) {
	s := &script{answer: func(_ int, req *Request, ans *Answer) { items(req, ans, taken) }}
	d := deliverer(t, s, Options{RequestMax: 100 << 20})
	if got, err := d.Send(context.Background(), numbered(s, 2*docsMax+1), nil); err != nil || got.Delivered != 2*docsMax+1 || len(s.requests) != 3 {
		t.Errorf("%+v %v in %d requests", got, err, len(s.requests))
	}
}

// A flush has one budget: what is late or meets a destination that is down is
// not tried, but a flush's first batch always is.
func TestSend_Budget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: func(_ int, req *Request, ans *Answer) { items(req, ans, taken) }}
		d := deliverer(t, s, Options{})
		l := NewLedger(1<<20, nil)
		ctx, cancel := context.WithTimeout(context.Background(), 33*time.Second)
		defer cancel()
		_, e := l.Claim(key(1))
		time.Sleep(5 * time.Second) // the node is slow
		if got, err := d.Send(ctx, numbered(s, 1), e); err != nil || got.Delivered != 1 {
			t.Errorf("first batch: %+v %v", got, err)
		}
		b := numbered(s, 3)
		if !d.Late(ctx) {
			t.Error("not late")
		}
		if got, err := d.Send(ctx, b, e); err != nil || got.Waiting != 2 || len(s.requests) != 1 {
			t.Errorf("second batch: %+v %v after %d requests", got, err, len(s.requests))
		}
		e.Finish(false)

		ctx, cancel = context.WithTimeout(context.Background(), 33*time.Second)
		defer cancel()
		_, e = l.Claim(key(1))
		if got, err := d.Send(ctx, b, e); err != nil || got.Delivered != 2 || d.Late(ctx) {
			t.Errorf("next flush: %+v %v", got, err)
		}
		s.answer = verdict(NoAnswer, 0, "")
		if got, err := d.Send(ctx, numbered(s, 5), e); err != nil || got.Waiting != 2 || !d.Down() {
			t.Errorf("it goes down: %+v %v", got, err)
		}
		before := len(s.requests)
		if got, err := d.Send(ctx, numbered(s, 9), e); err != nil || got.Waiting != 6 || len(s.requests) != before {
			t.Errorf("a batch behind one that found it down: %+v %v", got, err)
		}
		e.Finish(false)
	})
}

func TestSend_ContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: verdict(NoAnswer, 0, "")}
		d := deliverer(t, s, Options{RetryTimeout: time.Hour, RetryWaitMin: time.Minute, RetryWaitMax: time.Minute})
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		if got, err := d.Send(ctx, numbered(s, 2), nil); err != nil || got.Waiting != 2 || time.Since(start) != time.Second {
			t.Errorf("%+v %v after %s", got, err, time.Since(start))
		}
		if got, err := d.Send(ctx, numbered(s, 2), nil); err != nil || got.Waiting != 2 || len(s.requests) != 1 {
			t.Errorf("an ended context: %+v %v", got, err)
		}
	})
}

// Dead letters that nothing takes keep their documents waiting; they are written
// once when it does.
func TestSend_DeadLettersWait(t *testing.T) {
	dir := t.TempDir()
	obstacle := filepath.Join(dir, "d")
	if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &script{answer: func(_ int, req *Request, ans *Answer) {
		items(req, ans, func(d *Doc) Item {
			switch {
			case d.Index == "dead":
				return Item{Outcome: Blocked, Status: 403, Type: "cluster_block_exception"}
			case d.Place%2 == 1:
				return Item{Outcome: Dead, Status: 400, Type: "mapper_parsing_exception"}
			}
			return Item{Outcome: Delivered, Status: 201}
		})
	}}
	var lines []string
	path := filepath.Join(obstacle, "dead.ndjson")
	d := deliverer(t, s, Options{DeadLetterIndex: "dead", DeadLetterPath: path, Log: func(l string) { lines = append(lines, l) }})
	l := NewLedger(1<<20, nil)
	_, e := l.Claim(key(1))
	if got, err := d.Send(context.Background(), numbered(s, 6), e); err == nil || got.Delivered != 3 || got.Waiting != 3 || got.Dead != 0 || e.DeadLetters() != 0 {
		t.Errorf("%+v %v", got, err)
	}
	if len(lines) == 0 {
		t.Error("nobody was told")
	}
	e.Finish(false)
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, e = l.Claim(key(1))
		if _, err := d.Send(context.Background(), numbered(s, 6), e); err != nil || e.DeadLetters() != 3 {
			t.Errorf("%d dead letters, %v", e.DeadLetters(), err)
		}
		e.Finish(false)
	}
	raw, err := os.ReadFile(path)
	if err != nil || strings.Count(string(raw), "\n") != 3 || strings.Count(string(raw), `"error":"mapper_parsing_exception"`) != 3 {
		t.Errorf("%v\n%s", err, raw)
	}
	if c := d.Counters(); c.Dead.Load() != 3 || c.DeadInFile.Load() != 3 || c.Delivered.Load() != 3 {
		t.Errorf("counted %d dead, %d in the file, %d delivered", c.Dead.Load(), c.DeadInFile.Load(), c.Delivered.Load())
	}
}

// Another process that has the file locked is waited for no longer than the
// flush has time.
func TestDeadLetter_LockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.ndjson")
	other, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := os.Chmod(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	d := deliverer(t, &script{}, Options{DeadLetterPath: path})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	letters := []DeadLetter{{ID: "a", Error: "x"}}
	if err := d.DeadLetter(ctx, letters); err == nil || time.Since(start) > lockPatience/2 {
		t.Errorf("%v after %s", err, time.Since(start))
	}
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	// The time is up, but the file is free: it is written.
	if err := d.DeadLetter(ctx, letters); err != nil {
		t.Error(err)
	}
}

// Many flushes at once against a destination that does whatever it likes: each
// document of each chunk is delivered or a dead letter in the end, and counted
// once.
func TestSend_ManyAtOnce(t *testing.T) {
	const workers, chunks, docs = 6, 15, 20
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(1, 2))
	s := &script{answer: func(_ int, req *Request, ans *Answer) {
		mu.Lock()
		defer mu.Unlock()
		switch rnd.IntN(12) {
		case 0:
			ans.Verdict, ans.Cause = NoAnswer, "timeout"
			return
		case 1:
			ans.Verdict, ans.Status = Throttled, 429
			return
		case 2:
			ans.Verdict, ans.Status = TooLarge, 413
			if len(req.Which) > 1 {
				return
			}
		}
		items(req, ans, func(d *Doc) Item {
			switch r := rnd.IntN(20); {
			case r == 0 && d.Index != "dead":
				return Item{Outcome: Dead, Status: 400, Type: "mapper_parsing_exception"}
			case r == 1:
				return Item{Outcome: Later, Status: 503}
			case r == 2:
				return Item{Outcome: Blocked, Status: 403}
			}
			return Item{Outcome: Delivered, Status: 201}
		})
	}}
	d := deliverer(t, s, Options{
		RetryWaitMin: time.Millisecond, RetryWaitMax: 2 * time.Millisecond, RetryTimeout: 5 * time.Millisecond,
		DeadLetterIndex: "dead", DeadLetterPath: filepath.Join(t.TempDir(), "d", "dead"),
	})
	l := NewLedger(1<<20, nil)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range chunks {
				b := numbered(s, docs)
				for tries := 1; ; tries++ {
					_, e := l.Claim(key(uint64(i % 3))) // many are equal
					got, err := d.Send(context.Background(), b, e)
					if err != nil {
						t.Error(err)
					}
					e.Finish(got.Complete())
					if got.Complete() {
						break
					}
					if tries > 5000 {
						t.Error("a chunk is not taken")
						return
					}
					time.Sleep(200 * time.Microsecond) // as the host gives it again later
				}
			}
		})
	}
	wg.Wait()
	c := d.Counters()
	if got := c.Delivered.Load() + c.Dead.Load(); got != workers*chunks*docs {
		t.Errorf("%d documents delivered or dead, want %d", got, workers*chunks*docs)
	}
	if l.Len() != 0 {
		t.Errorf("%d chunks still wait", l.Len())
	}
}
