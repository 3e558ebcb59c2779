// Package opensearch is the destination OpenSearch: bulk requests over HTTP.
//
// Who does what: go-retryablehttp, outermost, repeats requests that brought no
// usable answer; opensearch-go, inside it, picks the node anew for each attempt;
// the guard below that bounds what a server may answer. What the answers mean
// for each document stands in outcome.go.
package opensearch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	opensearchgo "github.com/opensearch-project/opensearch-go/v2"
	"github.com/opensearch-project/opensearch-go/v2/opensearchapi"

	"github.com/seclog/seclog/plugin/deliver"
)

// Options say where the nodes are and how to talk to them.
type Options struct {
	Hosts     []string // URLs of the nodes, with a path if the API has one; required
	Pipeline  string   // ingest pipeline of every document but dead letters
	Operation string   // "create" (default) or "index"
	Gzip      bool     // compress bodies

	User, Password, APIKey, Bearer Secret
	AWS                            AWS // instead of these four
	TLS                            TLS
	Proxy                          ProxyURL // empty: none, whatever the environment says

	DeadLetterIndex string           // requests for this index alone take no pipeline and always create
	Now             func() time.Time // nil: time.Now

	// Log is told of files that were changed to what cannot be used; nil: nobody.
	Log func(line string)
}

// Client is the destination.
//
// Concurrency: see deliver.Destination.
type Client struct {
	o         Options
	transport *connections
	http      *http.Client
	nodes     *opensearchgo.Client
	access    access
	exchanges sync.Pool // of *exchange
	packers   sync.Pool // of *gzip.Writer
}

// filters are what a bulk answer is asked for. The server's reasons quote
// documents, so they are not asked for.
var (
	filters       = [...]string{"errors", "items.*.status", "items.*.error.type", "items.*.error.caused_by.type"}
	filtersReason = [...]string{"errors", "items.*.status", "items.*.error.type", "items.*.error.caused_by.type", "items.*.error.reason"}
)

// connectMax bounds how long a connection is waited for, beside the time that
// the request has.
const connectMax = 10 * time.Second

// New makes the destination. It does not connect.
//
// Errors: options that cannot be used; the error holds no secret.
func New(o Options) (*Client, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	switch o.Operation {
	case "":
		o.Operation = "create"
	case "create", "index":
	default:
		return nil, fmt.Errorf("opensearch: operation %q is neither create nor index", o.Operation)
	}
	if len(o.Hosts) == 0 {
		return nil, errors.New("opensearch: no hosts")
	}
	hosts := make([]string, len(o.Hosts))
	for i, h := range o.Hosts {
		u, err := url.Parse(strings.TrimSpace(h))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("opensearch: host %d is no http or https URL", i+1)
		}
		if u.User != nil {
			if !o.User.set() {
				password, _ := u.User.Password()
				o.User, o.Password = Secret{Value: u.User.Username()}, Secret{Value: password}
			}
			u.User = nil
		}
		u.RawQuery, u.Fragment = "", ""
		hosts[i] = u.String()
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	c := &Client{o: o}
	c.access.user.secret, c.access.password.secret = o.User, o.Password
	c.access.apiKey.secret, c.access.bearer.secret = o.APIKey, o.Bearer
	if _, err := c.access.header(); err != nil {
		return nil, fmt.Errorf("opensearch: %w", err)
	}
	if o.AWS.Auth && (o.User.set() || o.APIKey.set() || o.Bearer.set()) {
		return nil, errors.New("opensearch: requests are signed for AWS, so no user, API key or token can be given")
	}
	var err error
	if c.transport, err = newConnections(&o); err != nil {
		return nil, fmt.Errorf("opensearch: %w", err)
	}
	sign, err := newSigner(&o, c.transport.proxy)
	if err != nil {
		return nil, fmt.Errorf("opensearch: %w", err)
	}
	c.nodes, err = opensearchgo.NewClient(opensearchgo.Config{
		Addresses: hosts, Transport: guard{c.transport, sign}, DisableRetry: true,
	})
	if err != nil {
		return nil, fmt.Errorf("opensearch: %w", err)
	}
	c.http = &http.Client{
		Transport:     attempts{c},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.exchanges.New = func() any { return new(exchange) }
	c.packers.New = func() any {
		w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is valid, so there is no error
		return w
	}
	return c, nil
}

// Format writes nothing of what the client holds, which includes secrets.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "opensearch.Client") }

// Close frees idle connections.
func (c *Client) Close() error {
	c.transport.close()
	return nil
}

// creates tells whether documents of an index are created, and not replaced.
func (c *Client) creates(index string) bool {
	return c.o.Operation == "create" || index == c.o.DeadLetterIndex
}

// Frame appends the action line that opens a document.
func (c *Client) Frame(dst []byte, index, id string) []byte {
	op := "index"
	if c.creates(index) {
		op = "create"
	}
	dst = append(dst, `{"`...)
	dst = append(dst, op...)
	dst = append(dst, `":{"_index":"`...)
	dst = append(dst, index...)
	dst = append(dst, `","_id":"`...)
	dst = append(dst, id...)
	return append(dst, "\"}}\n"...)
}

// attempts is the transport of one attempt: a copy of the request with fresh
// credentials, handed to opensearch-go, which changes it in place. It has no
// CloseIdleConnections, so that one failed request does not cost the others
// their connections.
type attempts struct{ c *Client }

// RoundTrip implements http.RoundTripper.
func (a attempts) RoundTrip(req *http.Request) (*http.Response, error) {
	x, _ := req.Context().Value(exchangeKey{}).(*exchange)
	if x == nil {
		return nil, foreign(req)
	}
	// The guard reads the whole answer, so the time is up when it returns.
	ctx, cancel := context.WithTimeout(req.Context(), x.req.Timeout)
	defer cancel()
	copied := req.Clone(ctx)
	header, err := a.c.access.header()
	var res *http.Response
	x.handed, x.raw = false, x.raw[:0]
	x.tries++
	if err == nil {
		if header != "" {
			copied.Header.Set("Authorization", header)
		}
		res, err = a.c.nodes.Perform(copied)
	}
	if err != nil {
		if !x.handed && req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	return res, nil
}

// Send implements deliver.Destination.
func (c *Client) Send(ctx context.Context, req *deliver.Request, ans *deliver.Answer) {
	ans.Reset()
	filter, asked := filters[:], false
	if req.Again && askable(req) == len(req.Which) {
		filter, asked = filtersReason[:], true
	}
	doubts := c.send(ctx, req, ans, filter)
	switch late := c.o.Now().After(req.RetryUntil) || ctx.Err() != nil; {
	case len(doubts) == 0:
	case !late:
		c.resolve(ctx, req, ans, doubts)
	case asked:
		blame(req, ans, doubts, taken(req, ans, nil))
	}
}

// send makes one bulk request. Items that are in doubt get the outcome Later
// and are returned.
func (c *Client) send(ctx context.Context, req *deliver.Request, ans *deliver.Answer, filter []string) []doubt {
	x := c.exchanges.Get().(*exchange)
	*x = exchange{c: c, req: req, packed: x.packed[:0], parts: x.parts[:0], raw: x.raw[:0], answer: x.answer}
	defer c.release(x)
	bulk := opensearchapi.BulkRequest{FilterPath: filter, Timeout: req.Timeout / 3, Pipeline: c.o.Pipeline}
	if c.onlyDeadLetters(req) {
		bulk.Pipeline = ""
	}
	x.gather()
	if c.o.Gzip {
		if err := x.pack(); err != nil {
			ans.Verdict, ans.Cause = deliver.NoAnswer, "the body cannot be compressed"
			return nil
		}
		bulk.Header = http.Header{"Content-Encoding": {"gzip"}}
	}
	x.body = &payload{parts: x.parts}
	for _, p := range x.parts {
		x.body.size += len(p)
	}
	// The pieces are revoked before their memory is used again.
	defer x.body.revoke()
	bulk.Body = x.body.reader()
	res, err := bulk.Do(context.WithValue(ctx, exchangeKey{}, x), x)
	if res != nil {
		err = errors.Join(err, res.Body.Close())
	}
	return x.fill(ans, err)
}

// onlyDeadLetters tells whether all documents go to the dead-letter index.
func (c *Client) onlyDeadLetters(req *deliver.Request) bool {
	if c.o.DeadLetterIndex == "" {
		return false
	}
	for _, i := range req.Which {
		if req.Docs[i].Index != c.o.DeadLetterIndex {
			return false
		}
	}
	return true
}
