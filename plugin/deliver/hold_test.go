package deliver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// template is a server whose index refuses what its template does not fit.
type template struct {
	script
	refuses func(d *Doc) bool
	dead    map[string]string // what came as dead letter, by its framing
}

func newTemplate() *template {
	s := &template{dead: map[string]string{}}
	s.answer = func(_ int, req *Request, ans *Answer) {
		items(req, ans, func(d *Doc) Item {
			switch {
			case d.Index == "dead":
				s.dead[string(req.Body[d.Off:d.JSONOff])] = string(req.Body[d.JSONOff:d.End])
			case d.Index == "closed":
				return Item{Outcome: Blocked, Status: 400, Type: "index_closed_exception"}
			case s.refuses != nil && s.refuses(d):
				return Item{Outcome: Dead, Status: 400, Type: "mapper_parsing_exception"}
			}
			return Item{Outcome: Delivered, Status: 201}
		})
	}
	return s
}

// part is every document whose number is below n of ten.
func part(n int32) func(*Doc) bool { return func(d *Doc) bool { return d.Place%10 < n } }

func TestHold_BrokenTemplate(t *testing.T) {
	tests := map[string]struct {
		docs    int
		refuses func(*Doc) bool
		want    SendResult
	}{
		"half is poison":           {200, part(5), SendResult{Delivered: 100, Dead: 100}},
		"more than half is broken": {200, part(6), SendResult{Delivered: 80, Blocked: 120}},
		"all of a hundred":         {100, part(10), SendResult{Blocked: 100}},
		"all of a few":             {99, part(10), SendResult{Dead: 99}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newTemplate()
			s.refuses = tt.refuses
			var lines []string
			d := deliverer(t, &s.script, Options{DeadLetterIndex: "dead", Log: func(l string) { lines = append(lines, l) }})
			got, err := d.Send(context.Background(), numbered(&s.script, tt.docs), nil)
			if err != nil || got != tt.want || len(s.dead) != tt.want.Dead {
				t.Errorf("%+v %v, %d dead letters, want %+v", got, err, len(s.dead), tt.want)
			}
			if told := strings.Contains(strings.Join(lines, "\n"), "broken template"); told != (tt.want.Blocked > 0) {
				t.Errorf("lines: %q", lines)
			}
		})
	}
}

// Small chunks are judged together; when the template is mended what waited is
// delivered, and poison is poison again.
func TestHold_TemplateMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTemplate()
		s.refuses = part(10)
		d := deliverer(t, &s.script, Options{DeadLetterIndex: "dead"})
		send := func(n int) SendResult {
			t.Helper()
			got, err := d.Send(context.Background(), numbered(&s.script, n), nil)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		for range 9 {
			if got := send(10); got.Dead != 10 {
				t.Fatalf("%+v", got)
			}
		}
		for range 5 { // the hundredth, and whatever follows, also much later
			if got := send(10); got.Blocked != 10 {
				t.Fatalf("%+v", got)
			}
			time.Sleep(5 * time.Minute)
		}
		s.refuses = nil
		if got := send(200); got.Delivered != 200 {
			t.Fatalf("mended: %+v", got)
		}
		s.refuses = part(1)
		if got := send(10); got.Dead != 1 || got.Delivered != 9 {
			t.Errorf("poison after it: %+v", got)
		}
	})
}

// What an index refuses for longer than HoldMax becomes dead letters while other
// documents arrive, and never when nothing does.
func TestHold_Max(t *testing.T) {
	for name, tt := range map[string]struct {
		flows   bool
		refused bool // the destination as a whole
		max     time.Duration
		want    SendResult
	}{
		"others flow":               {flows: true, max: 15 * time.Minute, want: SendResult{Dead: 3}},
		"nothing flows":             {max: 15 * time.Minute, want: SendResult{Blocked: 3}},
		"held for ever":             {flows: true, want: SendResult{Blocked: 3}},
		"the whole refuses by then": {flows: true, refused: true, max: 15 * time.Minute, want: SendResult{Blocked: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTemplate()
				d := deliverer(t, &s.script, Options{DeadLetterIndex: "dead", HoldMax: tt.max})
				l := NewLedger(1<<20, nil)
				held := numbered(&s.script, 3)
				for i := range held.Docs {
					held.Docs[i].Index = "closed"
				}
				for minute := range 16 {
					_, e := l.Claim(key(1))
					got, err := d.Send(context.Background(), held, e)
					if err != nil || got.Blocked != 3 {
						t.Fatalf("minute %d: %+v %v", minute, got, err)
					}
					e.Finish(false)
					time.Sleep(time.Minute)
					if tt.flows {
						if got, err := d.Send(context.Background(), numbered(&s.script, 1), nil); err != nil || got.Delivered != 1 {
							t.Fatalf("%+v %v", got, err)
						}
					}
				}
				if tt.refused {
					s.answer = verdict(Refused, 403, "cluster_block_exception")
				}
				_, e := l.Claim(key(1))
				got, err := d.Send(context.Background(), held, e)
				if err != nil || got != tt.want {
					t.Errorf("%+v %v, want %+v", got, err, tt.want)
				}
				e.Finish(got.Complete())
				for _, letter := range s.dead {
					if !strings.Contains(letter, `"error":"held","status":400`) || !strings.Contains(letter, `"index":"closed"`) {
						t.Errorf("letter: %s", letter)
					}
				}
				if len(s.dead) != tt.want.Dead {
					t.Errorf("%d dead letters, want %d", len(s.dead), tt.want.Dead)
				}
			})
		})
	}
}

// Of an index that took nothing a few documents are tried, and all when it takes
// these.
func TestHold_Probes(t *testing.T) {
	const n = 1000
	closed := func(d *Doc) bool { return d.Index == "a" }
	for name, tt := range map[string]struct {
		refusal Item
		kind    string
	}{
		"closed":            {Item{Outcome: Blocked, Status: 400, Type: "index_closed_exception"}, "index_closed_exception"},
		"a broken template": {Item{Outcome: Dead, Status: 400, Type: "mapper_parsing_exception"}, "mapper_parsing_exception of more than half, as of a broken template"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				heals, silent := false, false
				s := &script{}
				s.answer = func(_ int, req *Request, ans *Answer) {
					if silent {
						ans.Verdict = NoAnswer
						return
					}
					items(req, ans, func(d *Doc) Item {
						if closed(d) && !heals {
							return tt.refusal
						}
						return Item{Outcome: Delivered, Status: 201}
					})
				}
				var lines []string
				d := deliverer(t, s, Options{DeadLetterIndex: "dead", Log: func(l string) { lines = append(lines, l) }})
				l := NewLedger(1<<20, nil)
				b := numbered(s, n)
				for i := range n / 10 { // others flow
					b.Docs[i].Index = "b"
				}
				send := func(want SendResult, requests ...int) {
					t.Helper()
					_, e := l.Claim(key(1))
					s.requests = nil
					got, err := d.Send(context.Background(), b, e)
					e.Finish(got.Complete())
					var sizes []int
					for _, r := range s.requests {
						sizes = append(sizes, len(r))
					}
					if err != nil || got != want || !slices.Equal(sizes, requests) {
						t.Fatalf("%+v %v, requests of %v, want %+v, %v", got, err, sizes, want, requests)
					}
					time.Sleep(70 * time.Second)
				}
				send(SendResult{Delivered: n / 10, Blocked: n * 9 / 10}, n)
				lines = nil
				send(SendResult{Blocked: n * 9 / 10}, 16)
				if len(lines) != 1 || !strings.Contains(lines[0], "index a: "+tt.kind) {
					t.Errorf("lines: %q", lines)
				}
				silent = true
				_, e := l.Claim(key(1))
				if got, err := d.Send(context.Background(), b, e); err != nil || got.Waiting != n*9/10 {
					t.Fatalf("without an answer: %+v %v", got, err)
				}
				e.Finish(false)
				time.Sleep(2 * time.Second)
				silent, heals = false, true
				send(SendResult{Delivered: n * 9 / 10}, 16, n*9/10-16)
				if got, err := d.Send(context.Background(), b, nil); err != nil || got.Delivered != n {
					t.Errorf("later: %+v %v", got, err)
				}
				if len(d.holds.held) > 0 {
					t.Errorf("still held: %v", d.holds.held)
				}
			})
		})
	}
}

// What is refused for a reason that nobody knows is tried again, told, and
// becomes a dead letter after HoldMax.
func TestHold_Unknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: func(_ int, req *Request, ans *Answer) {
			items(req, ans, func(d *Doc) Item {
				if d.Place == 1 && d.Index == "a" {
					return Item{Status: 500, Type: "fail_processor_exception"}
				}
				return Item{Outcome: Delivered, Status: 201}
			})
		}}
		var lines []string
		d := deliverer(t, s, Options{DeadLetterIndex: "dead", HoldMax: 15 * time.Minute, Log: func(l string) { lines = append(lines, l) }})
		l := NewLedger(1<<20, nil)
		b, dead := numbered(s, 3), 0
		for half := range 33 {
			_, e := l.Claim(key(1))
			got, err := d.Send(context.Background(), b, e)
			e.Finish(false)
			switch {
			case err != nil, half == 0 && got != SendResult{Delivered: 2, Waiting: 1}, half > 0 && half < 28 && got != SendResult{Waiting: 1}, half == 32 && got != SendResult{}:
				t.Fatalf("minute %d: %+v %v", half/2, got, err)
			}
			dead += got.Dead
			other := numbered(s, 1)
			if got, err := d.Send(context.Background(), other, nil); err != nil || got.Delivered != 1 {
				t.Fatalf("%+v %v", got, err)
			}
			time.Sleep(30 * time.Second)
		}
		if dead != 1 || !strings.Contains(strings.Join(lines, "\n"), "index a: fail_processor_exception (status 500)") {
			t.Errorf("%d dead letters, lines: %q", dead, lines)
		}
	})
}

// Poison whose dead letters cannot be written comes again and again, and is no
// broken template for that.
func TestHold_PoisonThatCannotBeBuried(t *testing.T) {
	s := newTemplate()
	s.refuses = func(d *Doc) bool { return d.Place < 10 }
	folder := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := deliverer(t, &s.script, Options{DeadLetterPath: filepath.Join(folder, "dead.ndjson")})
	l := NewLedger(1<<20, nil)
	b := numbered(&s.script, 30)
	for attempt := range 40 {
		_, e := l.Claim(key(1))
		got, err := d.Send(context.Background(), b, e)
		e.Finish(false)
		if err == nil || got.Waiting != 10 || got.Blocked > 0 {
			t.Fatalf("attempt %d: %+v %v", attempt, got, err)
		}
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	_, e := l.Claim(key(1))
	got, err := d.Send(context.Background(), b, e)
	e.Finish(true)
	if err != nil || got.Dead != 10 {
		t.Errorf("%+v %v", got, err)
	}
}

// Index names come from records, so what is known of them is bounded.
func TestHold_ManyIndexes(t *testing.T) {
	s := newTemplate()
	d := deliverer(t, &s.script, Options{})
	b := numbered(&s.script, 5*flowIndexes)
	for i := range b.Docs {
		b.Docs[i].Index = fmt.Sprint("index-", i)
	}
	if got, err := d.Send(context.Background(), b, nil); err != nil || got.Delivered != len(b.Docs) || len(d.holds.indexes) > flowIndexes {
		t.Errorf("%+v %v, %d indexes are kept", got, err, len(d.holds.indexes))
	}
}
