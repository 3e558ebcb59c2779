package opensearch_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
)

// What illegal_argument_exception means is found out by asking for the reason,
// for each document that it befell.
func TestResolve(t *testing.T) {
	const illegal = "illegal_argument_exception|"
	every3rdOfA := func(reason string, requests int) func(int, string, string, string) (int, string) {
		return func(r int, name, id, _ string) (int, string) {
			if v, _ := strconv.Atoi(id); name == "a" && v%3 == 0 && r <= requests {
				return 400, illegal + reason
			}
			return 0, ""
		}
	}
	const n, hit = 20, 4 // documents 0, 3, 6 and 9 of index a
	tests := map[string]struct {
		item func(int, string, string, string) (int, string)
		want deliver.SendResult
	}{
		"a field that others gave another type at the same moment": {every3rdOfA("mapper [f] cannot be changed from type [long] to [float]", 1), deliver.SendResult{Delivered: n}},
		"a field of two types in one document":                     {every3rdOfA("mapper [f] cannot be changed from type [long] to [text]", 99), deliver.SendResult{Delivered: n - hit, Dead: hit}},
		"one shard of several is full":                             {every3rdOfA("number of documents in the index cannot exceed 2147483519", 99), deliver.SendResult{Delivered: n - hit, Blocked: hit}},
		"an alias that names no index for writing":                 {every3rdOfA("no write index is defined for alias [a]. The", 99), deliver.SendResult{Delivered: n - hit, Blocked: hit}},
		"a reason that nobody knows, while others are taken":       {every3rdOfA("field [x] not present as part of path [x]", 99), deliver.SendResult{Delivered: n - hit, Dead: hit}},
		"different reasons in one index": {func(_ int, name, id, _ string) (int, string) {
			switch {
			case name != "a":
				return 0, ""
			case strings.HasSuffix(id, "1"):
				return 400, illegal + "Limit of total fields [3] has been exceeded"
			}
			return 400, illegal + "pipeline with id [p] does not exist"
		}, deliver.SendResult{Delivered: n / 2, Dead: 1, Blocked: n/2 - 1}},
		"it passes, then other documents are throttled": {func(r int, name, id, _ string) (int, string) {
			if v, _ := strconv.Atoi(id); name == "a" && v == 3 && r == 1 {
				return 400, illegal + "x"
			} else if name == "a" && v == 3 && r == 2 {
				return 429, "es_rejected_execution_exception"
			}
			return 0, ""
		}, deliver.SendResult{Delivered: n}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x := &index{docs: map[string]string{}}
			x.item = func(r int, name, id, doc string) (int, string) {
				if name == "dead" {
					return 0, ""
				}
				return tt.item(r, name, id, doc)
			}
			srv := httptest.NewServer(x)
			defer srv.Close()
			c, d := pair(t, opensearch.Options{Hosts: []string{srv.URL}, DeadLetterIndex: "dead"}, deliver.Options{DeadLetterIndex: "dead"})
			defer d.Close()
			got, err := d.Send(context.Background(), batch(c, n, 0), nil)
			if err != nil || got != tt.want {
				t.Errorf("%+v %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// After an outage every chunk is given again, and many meet a new index at once.
func TestResolve_RaceOfARetriedChunk(t *testing.T) {
	for losses, want := range map[int]deliver.SendResult{1: {Delivered: 4}, 99: {Delivered: 2, Dead: 2}} {
		x := &index{docs: map[string]string{}}
		x.item = func(r int, name, _, _ string) (int, string) {
			if name == "a" && r <= losses {
				return 400, "illegal_argument_exception|mapper [f] cannot be changed from type [long] to [text]"
			}
			return 0, ""
		}
		srv := httptest.NewServer(x)
		c, d := pair(t, opensearch.Options{Hosts: []string{srv.URL}, DeadLetterIndex: "dead"}, deliver.Options{DeadLetterIndex: "dead"})
		l := deliver.NewLedger(1<<20, nil)
		_, e := l.Claim([16]byte{1})
		e.Finish(false)
		_, e = l.Claim([16]byte{1})
		if got, err := d.Send(context.Background(), batch(c, 4, 0), e); err != nil || got != want {
			t.Errorf("%d refusals: %+v %v, want %+v", losses, got, err, want)
		}
		_ = d.Close()
		srv.Close()
	}
}

// Reasons may quote whole documents, so not all are asked for at a time; an index
// of which all that were asked are held is held for the others too.
func TestResolve_ManyLargeDocuments(t *testing.T) {
	x := &index{docs: map[string]string{}}
	largest := 0
	x.item = func(_ int, _, _, doc string) (int, string) {
		return 400, "illegal_argument_exception|pipeline with id [p] does not exist" + doc
	}
	x.change = func(_ int, answer string) string { largest = max(largest, len(answer)); return answer }
	srv := httptest.NewServer(x)
	defer srv.Close()
	c, d := pair(t, opensearch.Options{Hosts: []string{srv.URL}}, deliver.Options{Timeout: 30 * time.Second, RetryTimeout: 20 * time.Second, RequestMax: 64 << 20})
	defer d.Close()
	if got, err := d.Send(context.Background(), batch(c, 30, 300<<10), nil); err != nil || got.Blocked != 30 || x.requests != 4 {
		t.Errorf("%+v %v after %d requests, want all blocked after 4: two for each index", got, err, x.requests)
	}
	if largest > 6<<20 {
		t.Errorf("an answer of %d bytes", largest)
	}
}

// Where there is no time to ask for the reason, the next flush has it at once,
// so that no chunk is given again for ever.
func TestResolve_NoTime(t *testing.T) {
	x := &index{docs: map[string]string{}}
	x.item = func(_ int, name, id, _ string) (int, string) {
		if name != "dead" && strings.HasSuffix(id, "3") {
			return 400, "illegal_argument_exception|Limit of total fields [3] has been exceeded"
		}
		return 0, ""
	}
	srv := httptest.NewServer(x)
	defer srv.Close()
	c, d := pair(t, opensearch.Options{Hosts: []string{srv.URL}, DeadLetterIndex: "dead"}, deliver.Options{
		DeadLetterPath: filepath.Join(t.TempDir(), "d", "dead"), RetryTimeout: 1,
	})
	defer d.Close()
	l := deliver.NewLedger(1<<20, nil)
	for _, want := range []deliver.SendResult{{Delivered: 5, Waiting: 1}, {Dead: 1}} {
		_, e := l.Claim([16]byte{1})
		if got, err := d.Send(context.Background(), batch(c, 6, 0), e); err != nil || got != want {
			t.Errorf("%+v %v, want %+v", got, err, want)
		}
		e.Finish(false)
	}
	if x.requests != 2 {
		t.Errorf("%d requests, want 2", x.requests)
	}
}

// A document whose own index is the one of dead letters is created there, while
// its neighbours are replaced: the answer names both operations.
func TestSend_BothOperations(t *testing.T) {
	x := &index{docs: map[string]string{}}
	srv := httptest.NewServer(x)
	defer srv.Close()
	c, d := pair(t, opensearch.Options{Hosts: []string{srv.URL}, Operation: "index", DeadLetterIndex: "b"}, deliver.Options{DeadLetterIndex: "b"})
	defer d.Close()
	b := batch(c, 4, 0)
	if body := string(b.Body); strings.Count(body, `{"create":`) != 2 || strings.Count(body, `{"index":`) != 2 {
		t.Fatal(body)
	}
	if got, err := d.Send(context.Background(), b, nil); err != nil || got.Delivered != 4 {
		t.Errorf("%+v %v", got, err)
	}
	x.change = func(_ int, a string) string { return strings.ReplaceAll(a, `"index"`, `"create"`) }
	if got, err := d.Send(context.Background(), b, nil); err != nil || got.Delivered != 0 {
		t.Errorf("an answer about other operations was taken: %+v %v", got, fmt.Sprint(err))
	}
}
