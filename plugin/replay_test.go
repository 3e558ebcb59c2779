package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/deliver"
)

// again is a destination of replayed documents. It holds each once and answers
// as a function says what it does not take.
type again struct {
	docs     map[string]string // framing: document
	requests int
	sent     int
	largest  int
	whole    func(n int, size int, ans *deliver.Answer) bool // answers the n-th request as a whole
	item     func(n int, framing, doc string) deliver.Item   // the zero Item: it is taken
}

func (a *again) Frame(dst []byte, index, id string) []byte {
	return fmt.Appendf(dst, "%s/%s\n", index, id)
}
func (a *again) Close() error { return nil }

func (a *again) Send(ctx context.Context, req *deliver.Request, ans *deliver.Answer) {
	ans.Reset()
	ans.Attempts = 1
	a.requests++
	a.sent += len(req.Which)
	if len(req.Which) > 1 {
		a.largest = max(a.largest, req.Size())
	}
	if a.whole != nil && a.whole(a.requests, req.Size(), ans) {
		return
	}
	if ctx.Err() != nil {
		return
	}
	ans.Verdict, ans.Status = deliver.Items, 200
	for _, i := range req.Which {
		d := req.Docs[i]
		framing, doc := string(req.Body[d.Off:d.JSONOff-1]), string(req.Body[d.JSONOff:d.End-1])
		var item deliver.Item
		if a.item != nil {
			item = a.item(a.requests, framing, doc)
		}
		if item == (deliver.Item{}) {
			item.Outcome = deliver.Delivered
			_, item.Duplicate = a.docs[framing]
			a.docs[framing] = doc
		}
		ans.Items = append(ans.Items, item)
	}
}

// lettersIn writes a file of n letters for two indices and gives its path.
func lettersIn(t *testing.T, n int, change func(i int, l *deliver.DeadLetter)) string {
	t.Helper()
	var b []byte
	for i := range n {
		l := deliver.DeadLetter{ID: fmt.Sprint("id-", i), Index: fmt.Sprint("a", i%2), Time: time.Unix(int64(i), 0), Error: "held", Document: fmt.Sprintf(`{"n":%d}`, i)}
		if change != nil {
			change(i, &l)
		}
		b = append(l.AppendJSON(b), '\n')
	}
	path := filepath.Join(t.TempDir(), "letters")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// replayConfig is a configuration with some keys.
func replayConfig(t *testing.T, keys map[string]string) *config.Config {
	t.Helper()
	c, err := config.Load(func(k string) string {
		if k == "Hosts" {
			return "http://nowhere.invalid"
		}
		return keys[k]
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// accounted fails unless every letter is counted once.
func accounted(t *testing.T, r *ReplayResult, letters int) {
	t.Helper()
	sum := r.NotChosen + r.Delivered + r.AlreadyThere + r.NotSent + r.Bad
	for _, n := range r.Refused {
		sum += n
	}
	for _, n := range r.WithoutDocument {
		sum += n
	}
	if sum != letters {
		t.Errorf("%d letters, %d counted: %+v", letters, sum, r)
	}
}

func TestReplay(t *testing.T) {
	refusal := func(kind string) deliver.Item {
		return deliver.Item{Outcome: deliver.Dead, Status: 400, Type: kind}
	}
	const n = 100
	for name, c := range map[string]struct {
		to       again
		keys     map[string]string
		timeout  time.Duration
		has      int
		refused  map[ReplayCause]int
		left     int
		err      string
		requests int           // 0: any number
		longest  time.Duration // of a clock that runs only while all wait
	}{
		"all are taken":           {has: n, requests: 1},
		"in requests of one size": {keys: map[string]string{"Bulk_Size": "1k"}, has: n},
		"some are poison": {to: again{item: func(_ int, framing, _ string) deliver.Item {
			if strings.HasSuffix(framing, "7") {
				return refusal("mapper_parsing_exception")
			}
			return deliver.Item{}
		}}, has: n - 10, refused: map[ReplayCause]int{{"a1", "mapper_parsing_exception"}: 10}, requests: 1},
		"an index is closed": {to: again{item: func(_ int, framing, _ string) deliver.Item {
			if strings.HasPrefix(framing, "a0/") {
				return deliver.Item{Outcome: deliver.Blocked, Status: 400, Type: "index_closed_exception"}
			}
			return deliver.Item{}
		}}, has: n / 2, refused: map[ReplayCause]int{{"a0", "index_closed_exception"}: n / 2}, requests: 1},
		"some are taken later": {to: again{item: func(r int, framing, _ string) deliver.Item {
			if r < 4 && strings.HasSuffix(framing, "5") {
				return deliver.Item{Throttled: true, Status: 429, Type: "es_rejected_execution_exception"}
			}
			return deliver.Item{}
		}}, has: n, requests: 4, longest: 10 * time.Second},
		"some are never taken": {to: again{item: func(_ int, framing, _ string) deliver.Item {
			if strings.HasSuffix(framing, "5") {
				return deliver.Item{Status: 503, Type: "unavailable_shards_exception"}
			}
			return deliver.Item{}
		}}, has: n - 10, left: 10, timeout: time.Minute, err: "nothing was taken for 1m0s: documents are not taken: unavailable_shards_exception", longest: time.Minute},
		"down for five minutes": {to: again{whole: func(r, _ int, ans *deliver.Answer) bool {
			ans.Cause = "connection refused"
			return r < 150
		}}, has: n, longest: 6 * time.Minute},
		"down for ever": {to: again{whole: func(_, _ int, ans *deliver.Answer) bool {
			ans.Cause = "connection refused"
			return true
		}}, left: n, err: "nothing was taken for 10m0s: connection refused", longest: 10 * time.Minute},
		"asks to wait for a year": {to: again{whole: func(r, _ int, ans *deliver.Answer) bool {
			ans.Verdict, ans.Status, ans.RetryAfter = deliver.Throttled, 429, 365*24*time.Hour
			return r == 1
		}}, has: n, longest: 3 * time.Second},
		"wrong password": {to: again{whole: func(_, _ int, ans *deliver.Answer) bool {
			ans.Verdict, ans.Status, ans.Type = deliver.Refused, 401, "security_exception"
			return true
		}}, left: n, err: "the server refuses: security_exception (status 401)", requests: 1},
		"too large together": {to: again{whole: func(_, size int, ans *deliver.Answer) bool {
			ans.Verdict, ans.Status = deliver.TooLarge, 413
			return size > 200
		}}, has: n},
		"one too large by itself": {to: again{whole: func(_, size int, ans *deliver.Answer) bool {
			ans.Verdict, ans.Status = deliver.TooLarge, 413
			return size > 4000
		}}, has: n - 1, refused: map[ReplayCause]int{{"a0", "content_too_long"}: 1}},
		"nothing can be read": {to: again{whole: func(_, _ int, ans *deliver.Answer) bool {
			ans.Verdict, ans.Status, ans.Type = deliver.Malformed, 400, "illegal_argument_exception"
			return true
		}}, refused: map[ReplayCause]int{{"a0", "illegal_argument_exception"}: 4, {"a1", "illegal_argument_exception"}: 4}, left: n - 8, err: "the server cannot read the requests: illegal_argument_exception (status 400)"},
	} {
		t.Run(name, func(t *testing.T) {
			path := lettersIn(t, n, func(i int, l *deliver.DeadLetter) {
				if name == "one too large by itself" && i == 50 {
					l.Document = `{"x":"` + strings.Repeat("x", 5000) + `"}`
				}
			})
			cfg := replayConfig(t, c.keys)
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				to := c.to
				to.docs = map[string]string{}
				r, err := Replay(t.Context(), ReplayOptions{Config: cfg, Destination: &to, File: path, Timeout: c.timeout})
				if c.err == "" && err != nil || c.err != "" && (err == nil || err.Error() != c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				accounted(t, r, n)
				if len(to.docs) != c.has || r.Delivered != c.has || r.NotSent != c.left || !maps.Equal(r.Refused, c.refused) && len(r.Refused)+len(c.refused) > 0 {
					t.Errorf("%d documents; %+v", len(to.docs), r)
				}
				if c.requests > 0 && to.requests != c.requests || r.Requests != to.requests {
					t.Errorf("%d requests, %d counted", to.requests, r.Requests)
				}
				if took := time.Since(start); took > c.longest {
					t.Errorf("it took %s", took)
				}
				if size := int(cfg.BulkSize); to.largest > size {
					t.Errorf("a request of %d bytes", to.largest)
				}
			})
		})
	}
}

// Whatever the server answers, every letter is counted once, and when all is
// well a further replay brings the rest and no document twice.
func TestReplay_Property(t *testing.T) {
	cfg := replayConfig(t, map[string]string{"Bulk_Size": "1k"})
	path := lettersIn(t, 200, func(i int, l *deliver.DeadLetter) {
		if i%20 == 3 {
			l.Document, l.Error = "", "truncated"
		}
	})
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		synctest.Test(t, func(t *testing.T) {
			to := &again{docs: map[string]string{}}
			to.whole = func(_, size int, ans *deliver.Answer) bool {
				ans.Verdict, ans.Status = deliver.Verdict(rnd.IntN(20)), 400
				switch ans.Verdict {
				case deliver.NoAnswer, deliver.Throttled, deliver.TooLarge, deliver.Malformed:
					return true
				case deliver.Refused:
					return rnd.IntN(10) == 0
				}
				return false
			}
			to.item = func(int, string, string) deliver.Item {
				return []deliver.Item{{}, {}, {}, {}, {Outcome: deliver.Dead, Type: "x"}, {Outcome: deliver.Blocked, Type: "y"}, {Status: 503}}[rnd.IntN(7)]
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stop := rnd.IntN(400)
			r, err := Replay(ctx, ReplayOptions{Config: cfg, Destination: to, File: path, Progress: func(p ReplayProgress) {
				if stop--; stop == 0 {
					cancel()
				}
			}})
			accounted(t, r, r.Letters)
			if err == nil && r.Letters != 200 || r.Delivered != len(to.docs) {
				t.Errorf("seed %d: %v, %d documents; %+v", seed, err, len(to.docs), r)
			}
			to.whole, to.item = nil, nil
			r, err = Replay(t.Context(), ReplayOptions{Config: cfg, Destination: to, File: path})
			if err != nil || r.Delivered+r.AlreadyThere != 190 || len(to.docs) != 190 || r.WithoutDocument["truncated"] != 10 {
				t.Errorf("seed %d, the rest: %v, %d documents; %+v", seed, err, len(to.docs), r)
			}
		})
	}
}

// A replay that is interrupted ends between two requests, and the answer to the
// one under way is heard.
func TestReplay_Interrupted(t *testing.T) {
	cfg := replayConfig(t, map[string]string{"Bulk_Size": "1k"})
	path := lettersIn(t, 500, nil)
	ctx, cancel := context.WithCancel(t.Context())
	to := &again{docs: map[string]string{}}
	to.whole = func(n, _ int, _ *deliver.Answer) bool {
		if n == 3 {
			cancel()
		}
		return false
	}
	r, err := Replay(ctx, ReplayOptions{Config: cfg, Destination: to, File: path})
	if !errors.Is(err, ErrInterrupted) || to.requests != 3 || r.Delivered != len(to.docs) || r.Delivered == 0 || r.Delivered == 500 {
		t.Errorf("%v, %d requests, %d documents; %+v", err, to.requests, len(to.docs), r)
	}
	accounted(t, r, r.Letters)
}

// A letter of another kind, or one that was forged, is not sent.
func TestReplay_Chosen(t *testing.T) {
	path := lettersIn(t, 10, func(i int, l *deliver.DeadLetter) {
		switch i {
		case 1:
			l.Index = ".opendistro_security"
		case 2:
			l.Index = "seclog_dead_letters"
		case 3:
			l.Index = `a","_id":"b`
		case 4:
			l.Document = "{}\n{}"
		case 5:
			l.Error = "panic"
		case 6:
			l.Document = ""
		case 7:
			l.Document = "{\n\"n\":7}"
		}
	})
	cfg := replayConfig(t, nil)
	to := &again{docs: map[string]string{}}
	var said bytes.Buffer
	r, err := Replay(t.Context(), ReplayOptions{Config: cfg, Destination: to, File: path, Types: []string{"held", "x"}, Since: time.Unix(1, 0), Until: time.Unix(9, 0),
		Log: func(l string) { said.WriteString(l) }})
	want := map[string]string{"a1/id-7": `{"n":7}`, "a0/id-8": `{"n":8}`}
	if err != nil || !maps.Equal(to.docs, want) || r.NotChosen != 3 || r.Bad != 4 || len(r.BadFirst) != 4 || r.WithoutDocument["held"] != 1 || said.Len() > 0 {
		t.Errorf("%v, %q; %+v, said %s", err, to.docs, r, said.String())
	}
	accounted(t, r, 10)
	to = &again{docs: map[string]string{}}
	r, err = Replay(t.Context(), ReplayOptions{Config: cfg, Destination: to, File: path, DryRun: true})
	if err != nil || to.requests != 0 || r.Chosen[ReplayCause{"a1", "panic"}] != 1 || r.Delivered != 0 {
		t.Errorf("dry run: %v, %d requests; %+v", err, to.requests, r)
	}
	// Whoever writes into indices with a dot may bring them back.
	cfg = replayConfig(t, map[string]string{"Index": ".own-%Y"})
	if _, err = Replay(t.Context(), ReplayOptions{Config: cfg, Destination: to, File: path}); err != nil || to.docs[".opendistro_security/id-1"] == "" {
		t.Errorf("%v, %q", err, to.docs)
	}
}

// Kinds of errors and indices that somebody makes up cost no memory.
func TestReplay_ManyCauses(t *testing.T) {
	path := lettersIn(t, 3000, func(i int, l *deliver.DeadLetter) { l.Error, l.Index = fmt.Sprint("kind", i), fmt.Sprint("index", i) })
	r, err := Replay(t.Context(), ReplayOptions{Config: replayConfig(t, nil), Destination: &again{docs: map[string]string{}}, File: path, DryRun: true})
	if err != nil || len(r.Chosen) != replayCauses+1 || r.Chosen[ReplayCause{otherCauses, otherCauses}] != 2000 {
		t.Errorf("%v, %d causes", err, len(r.Chosen))
	}
}
