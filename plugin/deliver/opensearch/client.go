// Package opensearch is the destination OpenSearch: bulk requests over HTTP.
//
// Who does what: go-retryablehttp, outermost, repeats requests that brought no
// usable answer; opensearch-go, inside it, picks the node anew for each attempt;
// the guard below that bounds what a server may answer. What the answers mean
// for each document stands in outcome.go.
package opensearch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
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
	TLS                            TLS
	Proxy                          string // URL; empty: none, whatever the environment says

	Timeout      time.Duration // of one request (30s)
	RetryWaitMin time.Duration // (200ms)
	RetryWaitMax time.Duration // (2s)

	DeadLetterIndex string           // requests for this index alone take no pipeline and always create
	Now             func() time.Time // nil: time.Now
}

// Client is the destination.
//
// Concurrency: see deliver.Destination.
type Client struct {
	o         Options
	transport *http.Transport
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

// New makes the destination. It does not connect.
//
// Errors: options that cannot be used; the error holds no secret.
func New(o Options) (*Client, error) {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.RetryWaitMin <= 0 {
		o.RetryWaitMin = 200 * time.Millisecond
	}
	if o.RetryWaitMax <= 0 {
		o.RetryWaitMax = 2 * time.Second
	}
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
	conf, err := o.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("opensearch: %w", err)
	}
	c := &Client{o: o}
	c.access.user.secret, c.access.password.secret = o.User, o.Password
	c.access.apiKey.secret, c.access.bearer.secret = o.APIKey, o.Bearer
	if _, err := c.access.header(); err != nil {
		return nil, fmt.Errorf("opensearch: %w", err)
	}
	c.transport = &http.Transport{
		DialContext:            (&net.Dialer{Timeout: min(10*time.Second, o.Timeout), KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    min(10*time.Second, o.Timeout),
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: headersMax,
		WriteBufferSize:        64 << 10,
		DisableCompression:     !o.Gzip,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
	if o.Proxy != "" {
		u, err := url.Parse(o.Proxy)
		if err != nil || u.Host == "" {
			return nil, errors.New("opensearch: the proxy is no URL")
		}
		c.transport.Proxy = http.ProxyURL(u)
	}
	c.nodes, err = opensearchgo.NewClient(opensearchgo.Config{
		Addresses: hosts, Transport: guard{c.transport}, DisableRetry: true,
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

// Close frees idle connections.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// Frame appends the action line that opens a document.
func (c *Client) Frame(dst []byte, index, id string) []byte {
	op := c.o.Operation
	if index == c.o.DeadLetterIndex {
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
	// The guard reads the whole answer, so the time is up when it returns.
	ctx, cancel := context.WithTimeout(req.Context(), a.c.o.Timeout)
	defer cancel()
	copied := req.Clone(ctx)
	header, err := a.c.access.header()
	var res *http.Response
	if x != nil {
		x.handed, x.raw = false, x.raw[:0]
		x.tries++
	}
	if err == nil {
		if header != "" {
			copied.Header.Set("Authorization", header)
		}
		res, err = a.c.nodes.Perform(copied)
	}
	if err != nil {
		if (x == nil || !x.handed) && req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	return res, nil
}

// Send implements deliver.Destination.
func (c *Client) Send(ctx context.Context, req *deliver.Request, ans *deliver.Answer) {
	ans.Reset()
	if unclear := c.send(ctx, req, ans, filters[:]); len(unclear) > 0 {
		c.resolve(ctx, req, ans, unclear)
	}
}

// send makes one bulk request. Items whose type alone does not say what they
// mean get the outcome Later, and their positions are returned.
func (c *Client) send(ctx context.Context, req *deliver.Request, ans *deliver.Answer, filter []string) []int {
	x := c.exchanges.Get().(*exchange)
	*x = exchange{c: c, req: req, packed: x.packed[:0], parts: x.parts[:0], raw: x.raw[:0], answer: x.answer}
	defer c.release(x)
	bulk := opensearchapi.BulkRequest{FilterPath: filter, Timeout: c.o.Timeout / 3, Pipeline: c.o.Pipeline}
	x.op = c.o.Operation
	if c.onlyDeadLetters(req) {
		x.op, bulk.Pipeline = "create", ""
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

// resolve finds out what illegal_argument_exception means where nothing else
// says so: that a document does not fit, or that something about its index is
// not as it should be. The latter meets every document of the index alike, so
// where another one was taken it is the document. Else one document of the index
// is sent alone and the reason asked for, of which only the beginning is looked
// at and nothing is kept.
func (c *Client) resolve(ctx context.Context, req *deliver.Request, ans *deliver.Answer, unclear []int) {
	meaning := map[string]deliver.Outcome{}
	for k := range ans.Items {
		if ans.Items[k].Outcome == deliver.Delivered && !ans.Items[k].Duplicate {
			meaning[req.Docs[req.Which[k]].Index] = deliver.Dead
		}
	}
	for _, k := range unclear {
		index := req.Docs[req.Which[k]].Index
		outcome, ok := meaning[index]
		if !ok {
			if c.o.Now().After(req.RetryUntil) || ctx.Err() != nil {
				return
			}
			var one deliver.Answer
			still := c.send(ctx, &deliver.Request{
				Body: req.Body, Docs: req.Docs, Which: req.Which[k : k+1], RetryUntil: req.RetryUntil, Failed: req.Failed,
			}, &one, filtersReason[:])
			ans.Attempts += one.Attempts
			ans.Bytes += one.Bytes
			switch {
			case one.Verdict != deliver.Items:
				return
			case len(still) > 0:
				outcome = deliver.Blocked // nothing known says that it is the document
			default:
				outcome = one.Items[0].Outcome
			}
			if outcome == deliver.Delivered {
				// Whatever it was has passed; the others are sent again.
				ans.Items[k] = one.Items[0]
				meaning[index] = deliver.Later
				continue
			}
			meaning[index] = outcome
		}
		ans.Items[k].Outcome = outcome
	}
}
