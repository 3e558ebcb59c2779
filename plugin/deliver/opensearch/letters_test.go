package opensearch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
)

// stored is a document of an index that is searched.
type stored struct {
	seq    int64
	id     string
	source string
}

// searched answers searches by sequence number, as a server does.
type searched struct {
	docs    []stored
	largest int                                                  // size asked for so far
	asked   int                                                  // requests, refreshes included
	spoil   func(n int, w http.ResponseWriter, body []byte) bool // answers the n-th request itself
	before  func(n int)                                          // is told of each request
}

func (s *searched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked++
	if s.before != nil {
		s.before(s.asked)
	}
	body, _ := io.ReadAll(r.Body)
	if s.spoil != nil && s.spoil(s.asked, w, body) {
		return
	}
	if strings.HasSuffix(r.URL.Path, "/_refresh") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	var q struct {
		Size   int
		Sort   []map[string]string
		Source *bool `json:"_source"`
		Query  *struct {
			Bool struct {
				Filter []struct {
					Range map[string]struct{ Gte, Lte int64 }
				}
				Not []struct{ IDs struct{ Values []string } } `json:"must_not"`
			}
		}
	}
	if err := json.Unmarshal(body, &q); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.largest = max(s.largest, q.Size)
	docs := slices.Clone(s.docs)
	slices.SortStableFunc(docs, func(a, b stored) int { return int(a.seq - b.seq) })
	if q.Sort[0]["_seq_no"] == "desc" {
		slices.Reverse(docs)
	}
	var hits []string
	for _, d := range docs {
		if q.Query != nil {
			span := q.Query.Bool.Filter[0].Range["_seq_no"]
			if d.seq < span.Gte || d.seq > span.Lte || slices.Contains(q.Query.Bool.Not[0].IDs.Values, d.id) {
				continue
			}
		}
		if len(hits) == q.Size {
			break
		}
		source := ""
		if q.Source == nil {
			source = `,"_source":` + d.source
		}
		hits = append(hits, fmt.Sprintf(`{"_id":%q,"sort":[%d]%s}`, d.id, d.seq, source))
	}
	fmt.Fprintf(w, `{"timed_out":false,"_shards":{"failed":0},"hits":{"total":{"value":%d},"hits":[%s]}}`, len(docs), strings.Join(hits, ","))
}

// letterDocs are n letters on some shards, each of which counts from 0.
func letterDocs(n, shards int) []stored {
	var docs []stored
	for i := range n {
		l := deliver.DeadLetter{ID: fmt.Sprint("id-", i), Index: "a", Time: time.Now(), Error: "held", Document: "{}"}
		docs = append(docs, stored{int64(i / shards), fmt.Sprint("key-", i), string(l.AppendJSON(nil))})
	}
	return docs
}

// readAll reads all letters; what failed for now is asked for again, up to tries times.
func readAll(t *testing.T, s http.Handler, tries int) (ids, bad []string, last error) {
	t.Helper()
	srv := httptest.NewServer(s)
	defer srv.Close()
	c, err := opensearch.New(opensearch.Options{Hosts: []string{srv.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	timeout := time.Minute
	if tries > 0 {
		timeout = 5 * time.Second // there may be no answer
	}
	letters, err := c.Letters("dead", timeout)
	if err != nil {
		t.Fatal(err)
	}
	for {
		l, err := letters.Next(t.Context())
		var wrong *deliver.LetterError
		var failed *opensearch.SearchError
		switch {
		case err == io.EOF:
			if done, all := letters.Progress(); done < all {
				t.Errorf("at the end %d of %d are read", done, all)
			}
			return ids, bad, nil
		case errors.As(err, &wrong):
			bad = append(bad, err.Error())
		case errors.As(err, &failed) && failed.Later && tries > 0:
			tries--
		case err != nil:
			return ids, bad, err
		default:
			ids = append(ids, l.ID)
		}
	}
}

func TestLetters_Pages(t *testing.T) {
	for _, c := range []struct{ n, shards int }{{0, 1}, {1, 1}, {499, 1}, {500, 1}, {501, 1}, {1500, 3}, {1501, 7}, {600, 600}} {
		s := &searched{docs: letterDocs(c.n, c.shards)}
		ids, bad, err := readAll(t, s, 0)
		slices.Sort(ids)
		if got := len(slices.Compact(ids)); got != c.n || len(ids) != c.n || len(bad) != 0 || err != nil {
			t.Errorf("%d letters on %d shards: %d read, %d of them once, bad %q, %v", c.n, c.shards, len(ids), got, bad, err)
		}
		if s.largest > 500 {
			t.Errorf("%d documents were asked for", s.largest)
		}
	}
}

// What comes while letters are read is left out.
func TestLetters_Grows(t *testing.T) {
	s := &searched{docs: letterDocs(700, 1)}
	more := letterDocs(5000, 1)
	s.before = func(n int) {
		if n > 2 { // the refresh, and the search for the newest
			s.docs = more[:min(len(more), 700+200*n)]
		}
	}
	if ids, _, err := readAll(t, s, 0); len(ids) != 700 || err != nil {
		t.Errorf("%d letters, %v", len(ids), err)
	}
}

// Letters of any size are read, in answers that are bounded; one too large is
// named.
func TestLetters_Large(t *testing.T) {
	docs := letterDocs(60, 1)
	large := func(i, size int) {
		l := deliver.DeadLetter{ID: fmt.Sprint("id-", i), Index: "a", Time: time.Now(), Error: "held", Document: `{"x":"` + strings.Repeat("x", size) + `"}`}
		docs[i].source = string(l.AppendJSON(nil))
	}
	for i := 10; i < 30; i++ {
		large(i, 1<<20)
	}
	large(35, 20<<20)
	docs[40].source = `{"x":"` + strings.Repeat("x", deliver.LetterMax+(9<<20)) + `"}`
	ids, bad, err := readAll(t, &searched{docs: docs}, 0)
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 59 || err != nil || len(bad) != 1 || !strings.HasPrefix(bad[0], `document "key-40": longer than`) {
		t.Errorf("%d letters, bad %q, %v", len(ids), bad, err)
	}
}

// An answer that does not come, or is not whole, is asked for again; what nobody
// asked for ends the work.
func TestLetters_Faults(t *testing.T) {
	answer := func(text string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { _, _ = io.WriteString(w, text) }
	}
	status := func(code int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"error":{"type":"security_exception","reason":"4111"},"status":403}`)
		}
	}
	const later, never = true, false
	for name, c := range map[string]struct {
		spoil func(http.ResponseWriter)
		again bool
		says  string
	}{
		"503":                {status(503), later, ""},
		"429":                {status(429), later, ""},
		"no JSON":            {answer("<html>"), later, ""},
		"nothing":            {answer(""), later, ""},
		"an empty object":    {answer("{}"), later, ""},
		"timed out":          {answer(`{"timed_out":true,"_shards":{"failed":0},"hits":{"hits":[]}}`), later, ""},
		"a shard failed":     {answer(`{"timed_out":false,"_shards":{"failed":1},"hits":{"hits":[]}}`), later, ""},
		"no sequence number": {answer(`{"timed_out":false,"_shards":{"failed":0},"hits":{"hits":[{"_id":"a"}]}}`), later, ""},
		"cut": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"timed_out":`)
		}, later, ""},
		"forbidden":      {status(403), never, "read index dead: security_exception (status 403)"},
		"redirect":       {func(w http.ResponseWriter) { w.Header().Set("Location", "http://127.0.0.1:1/"); w.WriteHeader(302) }, never, "read index dead: no usable answer (status 302)"},
		"again the same": {answer(`{"timed_out":false,"_shards":{"failed":0},"hits":{"hits":[{"_id":"key-0","sort":[0],"_source":{}}]}}`), never, "the answer holds what was not asked for"},
		"beyond the end": {answer(`{"timed_out":false,"_shards":{"failed":0},"hits":{"hits":[{"_id":"new","sort":[99999],"_source":{}}]}}`), never, "the answer holds what was not asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &searched{docs: letterDocs(1200, 1)}
			s.spoil = func(n int, w http.ResponseWriter, _ []byte) bool {
				if n == 4 { // the second page
					c.spoil(w)
				}
				return n == 4
			}
			ids, _, err := readAll(t, s, 1)
			if c.again && (err != nil || len(ids) != 1200) {
				t.Errorf("%d letters, %v", len(ids), err)
			}
			if !c.again && (err == nil || !strings.Contains(err.Error(), c.says) || len(ids) != 500) {
				t.Errorf("%d letters, %v", len(ids), err)
			}
		})
	}
}

func TestLetters_Names(t *testing.T) {
	c, err := opensearch.New(opensearch.Options{Hosts: []string{"http://localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, bad := range []string{"", ".", "..", "a/b", "a?b", "A", "a b", "-a", "_all", "*", "a,b", "a%2fb", "ä", "a\n"} {
		if _, err := c.Letters(bad, time.Second); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, good := range []string{"seclog_dead_letters", "dead-*", ".dead", "a.b"} {
		if _, err := c.Letters(good, time.Second); err != nil {
			t.Error(err)
		}
	}
}
