package opensearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/opensearch-project/opensearch-go/v2/opensearchapi"

	"github.com/seclog/seclog/plugin/deliver"
)

// Letters reads the dead letters of an index, the oldest first, as they were
// when the first one was asked for.
//
// It goes by the sequence numbers that each shard gives its documents, so that
// the server keeps nothing for it: reading goes on where it was after the server
// was restarted, a lost answer is asked for again, and no right beside searching
// is needed. Letters written meanwhile are left out, or read as well where the
// index has several shards.
//
// Concurrency: not safe.
type Letters struct {
	c       *Client
	index   string
	timeout time.Duration

	begun     bool
	next, top int64    // the sequence numbers that are still to be read
	seen      []string // of next, what is read already: each shard has its own numbers
	page      []letterHit
	size      int // documents to ask for at a time
	all, done int64
}

// letterHit is a dead letter as a search gives it.
type letterHit struct {
	ID     string          `json:"_id"`
	Sort   []int64         `json:"sort"`
	Source json.RawMessage `json:"_source"`
}

// searchAnswer is what is read of an answer.
type searchAnswer struct {
	TimedOut *bool `json:"timed_out"`
	Shards   struct {
		Failed int `json:"failed"`
	} `json:"_shards"`
	Hits struct {
		Total struct {
			Value int64 `json:"value"`
		} `json:"total"`
		Hits []letterHit `json:"hits"`
	} `json:"hits"`
}

// SearchError says why dead letters cannot be read, in words of our own.
type SearchError struct {
	Index  string
	Status int    // 0 when no answer came
	Cause  string // an error type, or why there is no answer
	Later  bool   // it may succeed later: the same call can be made again
}

// Error gives index, cause and status.
func (e *SearchError) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("read index %s: %s", e.Index, e.Cause)
	}
	return fmt.Sprintf("read index %s: %s (status %d)", e.Index, e.Cause, e.Status)
}

// pageSize is how many letters are asked for at most.
const pageSize = 500

// Letters makes a reader of the dead letters of an index; timeout bounds each
// request.
//
// Errors: what is no name of an index, an alias or a pattern of them.
func (c *Client) Letters(index string, timeout time.Duration) (*Letters, error) {
	for i := 0; i < len(index); i++ {
		b := index[i]
		if !(b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '.' && index != "." && index != ".." || i > 0 && (b == '-' || b == '_' || b == '+' || b == '*')) {
			return nil, fmt.Errorf("%q is no name of an index", index)
		}
	}
	if index == "" {
		return nil, errors.New("no index is named")
	}
	return &Letters{c: c, index: index, timeout: timeout, size: pageSize}, nil
}

// Progress gives how many letters were read, and of how many.
func (l *Letters) Progress() (done, all int64) { return l.done, l.all }

// Next gives the next letter, or io.EOF. A document that is no letter gives a
// *deliver.LetterError, and the next call goes on behind it.
//
// Errors: io.EOF, a *deliver.LetterError, or a *SearchError.
func (l *Letters) Next(ctx context.Context) (deliver.DeadLetter, error) {
	if !l.begun {
		if err := l.begin(ctx); err != nil {
			return deliver.DeadLetter{}, err
		}
		l.begun = true
	}
	if len(l.page) == 0 {
		if l.next > l.top {
			return deliver.DeadLetter{}, io.EOF
		}
		if err := l.fetch(ctx); err != nil {
			return deliver.DeadLetter{}, err
		}
		if len(l.page) == 0 {
			l.next = l.top + 1
			return deliver.DeadLetter{}, io.EOF
		}
	}
	hit := l.page[0]
	l.page[0] = letterHit{}
	l.page = l.page[1:]
	l.done++
	where := "document " + strconv.Quote(hit.ID[:min(len(hit.ID), 64)])
	if hit.Source == nil {
		return deliver.DeadLetter{}, &deliver.LetterError{Where: where, Reason: fmt.Sprintf("longer than %d bytes", deliver.LetterMax)}
	}
	letter, err := deliver.ParseLetter(hit.Source)
	if err != nil {
		return deliver.DeadLetter{}, &deliver.LetterError{Where: where, Reason: err.Error()}
	}
	return letter, nil
}

// begin finds out what there is to read.
func (l *Letters) begin(ctx context.Context) error {
	// Letters of the last second cannot be found before a refresh. Who may not
	// ask for one reads the others.
	_, err := l.do(ctx, answerMax, opensearchapi.IndicesRefreshRequest{Index: []string{l.index}})
	var failed *SearchError
	if errors.As(err, &failed) && failed.Later {
		return err
	}
	a, err := l.search(ctx, answerMax, map[string]any{
		"size": 1, "sort": []any{map[string]string{"_seq_no": "desc"}}, "_source": false, "track_total_hits": true,
	})
	if err != nil {
		return err
	}
	l.all, l.top = a.Hits.Total.Value, -1
	if len(a.Hits.Hits) > 0 {
		l.top = a.Hits.Hits[0].Sort[0]
	}
	return nil
}

// fetch gets the next page, of as many letters as an answer may hold.
func (l *Letters) fetch(ctx context.Context) error {
	query := map[string]any{"bool": map[string]any{
		"filter":   []any{map[string]any{"range": map[string]any{"_seq_no": map[string]int64{"gte": l.next, "lte": l.top}}}},
		"must_not": []any{map[string]any{"ids": map[string]any{"values": append([]string{}, l.seen...)}}},
	}}
	body := map[string]any{"size": l.size, "sort": []any{map[string]string{"_seq_no": "asc"}}, "track_total_hits": false, "query": query}
	for {
		limit := answerMax
		if l.size == 1 {
			limit = deliver.LetterMax + answerMax
		}
		body["size"] = l.size
		a, err := l.search(ctx, limit, body)
		if errors.Is(err, errTooMuch) && l.size > 1 {
			l.size = max(l.size/8, 1)
			continue
		}
		if errors.Is(err, errTooMuch) {
			body["_source"] = false
			a, err = l.search(ctx, answerMax, body)
		}
		if err != nil {
			return err
		}
		if !l.follows(a.Hits.Hits) {
			return &SearchError{Index: l.index, Status: http.StatusOK, Cause: "the answer holds what was not asked for"}
		}
		l.page = a.Hits.Hits
		break
	}
	if len(l.page) == l.size {
		l.size = min(2*l.size, pageSize)
	}
	if n := len(l.page); n > 0 {
		last := l.page[n-1].Sort[0]
		if last != l.next {
			l.next, l.seen = last, nil
		}
		for _, h := range l.page {
			if h.Sort[0] == last {
				l.seen = append(l.seen, h.ID)
			}
		}
	}
	return nil
}

// seenMax bounds how many documents may have the same sequence number: as many
// as there are shards.
const seenMax = 10_000

// follows tells whether hits are what comes next, so that a server that does not
// do what it is asked cannot keep us reading for ever.
func (l *Letters) follows(hits []letterHit) bool {
	at := l.next
	for _, h := range hits {
		if h.Sort[0] < at || h.Sort[0] > l.top || h.Sort[0] == l.next && slices.Contains(l.seen, h.ID) {
			return false
		}
		at = h.Sort[0]
	}
	return len(hits) <= l.size && len(l.seen) < seenMax
}

// search makes one search request whose answer has at most limit bytes.
func (l *Letters) search(ctx context.Context, limit int, body map[string]any) (*searchAnswer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	whole := false
	raw, err := l.do(ctx, limit, opensearchapi.SearchRequest{
		Index: []string{l.index}, Body: bytes.NewReader(text), AllowPartialSearchResults: &whole,
		FilterPath: []string{"timed_out", "_shards.failed", "hits.total.value", "hits.hits._id", "hits.hits.sort", "hits.hits._source"},
	})
	if err != nil {
		return nil, err
	}
	var a searchAnswer
	err = json.Unmarshal(raw, &a)
	if err == nil && (a.TimedOut == nil || *a.TimedOut || a.Shards.Failed > 0) {
		err = errors.New("the answer is not whole")
	}
	for i := range a.Hits.Hits {
		if len(a.Hits.Hits[i].Sort) != 1 {
			err = errors.New("a hit has no sequence number")
		}
	}
	if err != nil {
		return nil, &SearchError{Index: l.index, Status: http.StatusOK, Cause: "no usable answer", Later: true}
	}
	return &a, nil
}

// do makes one attempt of a request. An answer longer than limit bytes is
// errTooMuch.
//
// Bytes: the answer is the caller's.
func (l *Letters) do(ctx context.Context, limit int, request opensearchapi.Request) ([]byte, error) {
	x := &exchange{c: l.c, req: &deliver.Request{Timeout: l.timeout}, limit: limit}
	res, err := request.Do(context.WithValue(ctx, exchangeKey{}, x), once{l.c})
	if errors.Is(err, errTooMuch) {
		return nil, errTooMuch
	}
	if err != nil {
		return nil, &SearchError{Index: l.index, Cause: causeOf(err), Later: ctx.Err() == nil}
	}
	if err := res.Body.Close(); err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return x.raw, nil
	}
	failed := &SearchError{Index: l.index, Status: res.StatusCode, Cause: "no usable answer"}
	if scanAnswer(x.raw, &x.answer) == nil && x.answer.typ != "" {
		failed.Cause = x.answer.typ
	}
	failed.Later = res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= http.StatusInternalServerError
	return nil, failed
}

// once is the way of requests that are not repeated by themselves.
type once struct{ c *Client }

// Perform implements opensearchapi.Transport.
func (o once) Perform(req *http.Request) (*http.Response, error) { return o.c.http.Do(req) }
