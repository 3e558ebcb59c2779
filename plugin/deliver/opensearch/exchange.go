package opensearch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/klauspost/compress/gzip"

	"github.com/seclog/seclog/plugin/deliver"
)

// exchange is one bulk request with all its attempts. Its memory is used again.
type exchange struct {
	c       *Client
	req     *deliver.Request
	body    *payload
	packed  []byte
	parts   [][]byte
	hash    string // of parts, once it is known
	raw     []byte // the last answer
	limit   int    // bytes that it may have; 0: answerMax
	answer  bulkAnswer
	bulk    bool          // answer is a usable bulk answer
	handed  bool          // the transport has the attempt's body and closes it
	tries   int           // attempts made
	judged  int           // the attempt that was found to be the last
	wait    time.Duration // before the next attempt
	after   time.Duration // what the server asked for
	status  int
	failure error
}

// Perform implements opensearchapi.Transport: it is the way that a bulk request
// takes out of opensearchapi.
func (x *exchange) Perform(req *http.Request) (*http.Response, error) {
	// A key that is present without a value lets net/http repeat a request
	// itself when it meets a connection that the server has just closed.
	req.Header["Idempotency-Key"] = nil
	rr := &retryablehttp.Request{Request: req}
	if err := rr.SetBody(retryablehttp.ReaderFunc(func() (io.Reader, error) { return x.body.reader(), nil })); err != nil {
		return nil, err
	}
	rr.SetResponseHandler(x.read)
	rc := retryablehttp.Client{
		HTTPClient:   x.c.http,
		RetryMax:     1 << 20, // time is the bound
		RetryWaitMin: x.req.RetryWaitMin,
		RetryWaitMax: x.req.RetryWaitMax,
		CheckRetry:   x.check,
		Backoff:      func(time.Duration, time.Duration, int, *http.Response) time.Duration { return x.wait },
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return rc.Do(rr)
}

// read makes sense of an answer. An error makes retryablehttp ask check.
func (x *exchange) read(res *http.Response) error {
	err := scanAnswer(x.raw, &x.answer)
	if res.StatusCode == http.StatusOK {
		if err == nil && !x.fits() {
			err = errNotBulk
		}
		x.bulk = err == nil
		return err
	}
	if err != nil {
		x.answer.typ = "" // an error page of a proxy, say: the status says it all
	}
	return nil
}

// fits tells whether the answer has an item for each document, in its order.
func (x *exchange) fits() bool {
	a := &x.answer
	if !a.hasItems || a.failed || len(a.items) != len(x.req.Which) {
		return false
	}
	for k, i := range x.req.Which {
		if a.items[k].create != x.c.creates(x.req.Docs[i].Index) {
			return false
		}
	}
	return true
}

// check decides whether another attempt follows, and after which wait.
func (x *exchange) check(ctx context.Context, res *http.Response, err error) (bool, error) {
	if err == nil && x.judged == x.tries {
		return false, nil // asked again after read
	}
	x.failure = err
	x.status, x.after, x.wait = 0, 0, 0
	if res != nil {
		x.status = res.StatusCode
		x.after = retryAfter(res.Header.Get("Retry-After"), x.c.o.Now(), x.req.RetryWaitMax)
	}
	again := err != nil || x.status == 408 || x.status == 429 || x.status >= 500
	if !again {
		return false, nil
	}
	blocked := x.status == 429 && scanAnswer(x.raw, &x.answer) == nil && known[x.answer.typ].class == classAct
	if lasting(err) || blocked || ctx.Err() != nil {
		again = false
	} else {
		x.wait = max(deliver.Backoff(x.req.RetryWaitMin, x.req.RetryWaitMax, x.tries-1), x.after)
		again = !x.c.o.Now().Add(x.wait).After(x.req.RetryUntil)
		if !again {
			x.wait = 0
		}
	}
	if !again {
		x.judged = x.tries
	}
	// One failure that another attempt follows is no sign yet: a server may have
	// closed an idle connection at the moment of its use.
	if x.req.Failed != nil && !blocked && (x.tries > 1 || !again || x.status == 429) {
		x.req.Failed(x.status, x.wait)
	}
	return again, nil
}

// gather lists the pieces of the batch's body that are to be sent; documents
// that stand side by side are one piece.
func (x *exchange) gather() {
	start, end := -1, -1
	for _, i := range x.req.Which {
		doc := &x.req.Docs[i]
		if doc.Off == end {
			end = doc.End
			continue
		}
		if start >= 0 {
			x.parts = append(x.parts, x.req.Body[start:end])
		}
		start, end = doc.Off, doc.End
	}
	if start >= 0 {
		x.parts = append(x.parts, x.req.Body[start:end])
	}
}

// pack compresses the pieces into one of its own.
func (x *exchange) pack() error {
	w := x.c.packers.Get().(*gzip.Writer)
	defer x.c.packers.Put(w)
	out := bytes.NewBuffer(x.packed[:0])
	w.Reset(out)
	for _, p := range x.parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	x.packed = out.Bytes()
	x.parts = append(x.parts[:0], x.packed)
	return nil
}

// fill writes what came of the exchange into the answer, and returns the items
// that are in doubt.
func (x *exchange) fill(ans *deliver.Answer, err error) (doubts []doubt) {
	ans.Attempts += x.tries
	ans.Bytes += int64(x.body.size) * int64(x.tries)
	ans.Status, ans.RetryAfter = x.status, x.after
	if x.bulk {
		ans.Verdict = deliver.Items
		for k := range x.answer.items {
			item, unclear := classify(&x.answer.items[k])
			if unclear {
				doubts = append(doubts, doubt{k, x.answer.items[k].hint == hintRace})
			}
			ans.Items = append(ans.Items, item)
		}
		return doubts
	}
	if err == nil {
		err = x.failure
	}
	if err != nil {
		ans.Verdict, ans.Cause = deliver.NoAnswer, causeOf(err)
		var (
			proxy *proxyError
			keys  *keysError
		)
		switch {
		case errors.As(err, &proxy) && lasting(err):
			ans.Verdict, ans.Status, ans.Type = deliver.Refused, proxy.status, ans.Cause
		case errors.As(err, &keys) && lasting(err):
			ans.Verdict, ans.Type = deliver.Refused, ans.Cause
		}
		return nil
	}
	if scanAnswer(x.raw, &x.answer) == nil {
		ans.Type = x.answer.typ
	}
	ans.Verdict = whole(x.status, ans.Type)
	switch {
	case ans.Verdict != deliver.NoAnswer:
	case x.status >= 300 && x.status < 400:
		ans.Cause = "redirect, which is not followed"
	default:
		ans.Cause = "no usable answer"
	}
	return nil
}

// release puts the exchange back for others, holding on to no caller's bytes.
func (c *Client) release(x *exchange) {
	clear(x.parts)
	x.c, x.req, x.body, x.failure = nil, nil, nil, nil
	c.exchanges.Put(x)
}

// retryAfter reads a Retry-After header: seconds or a date, never more than
// longest, 0 when there is none or it makes no sense.
func retryAfter(header string, now time.Time, longest time.Duration) time.Duration {
	header = strings.TrimSpace(header)
	if header == "" {
		return 0
	}
	if n, err := strconv.ParseUint(header, 10, 64); err == nil {
		if n > uint64(longest/time.Second) {
			return longest
		}
		return time.Duration(n) * time.Second
	} else if errors.Is(err, strconv.ErrRange) {
		return longest
	}
	if t, err := http.ParseTime(header); err == nil {
		return min(max(t.Sub(now), 0), longest)
	}
	return 0
}
