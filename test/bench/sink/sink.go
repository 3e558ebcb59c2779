// Package sink is a bulk endpoint that accepts every document and answers as
// OpenSearch 2 does, so that a sender's own cost can be measured without a
// server's beside it.
//
// It takes POST and PUT to /_bulk and /INDEX/_bulk, plain or gzip, with or
// without filter_path, and keeps nothing of a document but its count. It
// promises that Counts is exact: what it answered 201 to, it counted once.
//
//	s, err := sink.Start(sink.Options{DistinctIDs: true})
//	defer s.Close()
//	… send to s.URL() …
//	fmt.Println(s.Counts().Documents)
package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
)

// Version is the server version that the sink gives itself out for.
const Version = "2.19.4"

// maxBody is http.max_content_length as OpenSearch sets it out of the box, for
// the body as it is sent and as it is unpacked.
const maxBody = 100 << 20

// Options says what the sink keeps beside the number of documents.
type Options struct {
	// DistinctIDs keeps a hash of every _id, 64 bits each, to count the
	// different ones.
	DistinctIDs bool
	// Needles are texts to count in what arrives, unpacked; an overlapping
	// occurrence does not count.
	Needles []string
}

// Counts is what has arrived.
type Counts struct {
	Documents int64 `json:"documents"`    // accepted, repeated ones too
	IDs       int64 `json:"distinct_ids"` // with Options.DistinctIDs
	NoID      int64 `json:"without_id"`   // documents that left the _id to the server
	Requests  int64 `json:"requests"`     // bulk requests accepted
	Refused   int64 `json:"refused"`      // bulk requests that were no valid bulk bodies
	Sent      int64 `json:"bytes_sent"`   // of accepted bodies, as they were sent
	Unpacked  int64 `json:"bytes"`        // of accepted bodies, unpacked
	Needles   int64 `json:"needles"`      // occurrences of Options.Needles
}

// Sink is a running endpoint.
//
// Concurrency: safe for concurrent use.
type Sink struct {
	options  Options
	needles  [][]byte
	server   *http.Server
	listener net.Listener
	served   chan error
	seed     maphash.Seed
	seqNo    atomic.Int64
	buffers  sync.Pool // of *buffers

	mu     sync.Mutex
	counts Counts
	ids    map[uint64]struct{}
}

// buffers are what one request needs.
type buffers struct {
	body, unpacked bytes.Buffer
	answer         []byte
	hashes         []uint64
	gzip           *gzip.Reader
}

// Start listens on a port of the kernel's choice on 127.0.0.1 and serves.
func Start(o Options) (*Sink, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the sink: %w", err)
	}
	s := &Sink{
		options: o, listener: listener, served: make(chan error, 1),
		seed: maphash.MakeSeed(), ids: map[uint64]struct{}{},
		buffers: sync.Pool{New: func() any { return new(buffers) }},
	}
	for _, n := range o.Needles {
		if n != "" {
			s.needles = append(s.needles, []byte(n))
		}
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// URL returns the address to send to: http://127.0.0.1:PORT.
func (s *Sink) URL() string { return "http://" + s.listener.Addr().String() }

// Port returns the port that the sink listens on.
func (s *Sink) Port() int {
	if a, ok := s.listener.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// Counts returns what has arrived so far.
func (s *Sink) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.IDs = int64(len(s.ids))
	return c
}

// Reset forgets everything counted.
func (s *Sink) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts = Counts{}
	clear(s.ids)
}

// Close stops listening, gives running requests five seconds and waits for
// the server's goroutine.
func (s *Sink) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("close the sink: %w", err)
	}
	return nil
}

// ServeHTTP answers one request.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	last := path[strings.LastIndexByte(path, '/')+1:]
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case last == "_bulk" && (r.Method == http.MethodPost || r.Method == http.MethodPut):
		s.bulk(w, r, strings.Trim(strings.TrimSuffix(path, "_bulk"), "/"))
	case path == "" && read:
		reply(w, http.StatusOK, []byte(`{"name":"sink","cluster_name":"sink","cluster_uuid":"c2luay1zaW5rLXNpbmstcw","version":{"distribution":"opensearch","number":"`+Version+`","build_type":"tar","lucene_version":"9.12.2","minimum_wire_compatibility_version":"7.10.0","minimum_index_compatibility_version":"7.0.0"},"tagline":"The OpenSearch Project: https://opensearch.org/"}`))
	case last == "_count" && (read || r.Method == http.MethodPost):
		reply(w, http.StatusOK, fmt.Appendf(nil, `{"count":%d,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0}}`, s.Counts().Documents))
	case path == "/_sink" && read:
		text, err := json.Marshal(s.Counts())
		if err != nil {
			refuse(w, http.StatusInternalServerError, "exception", err.Error())
			return
		}
		reply(w, http.StatusOK, text)
	case last == "_refresh" && (read || r.Method == http.MethodPost):
		reply(w, http.StatusOK, []byte(`{"_shards":{"total":2,"successful":1,"failed":0}}`))
	default:
		refuse(w, http.StatusNotFound, "resource_not_found_exception", "the sink has no "+r.Method+" "+r.URL.Path)
	}
}

func (s *Sink) bulk(w http.ResponseWriter, r *http.Request, index string) {
	began := time.Now()
	b, ok := s.buffers.Get().(*buffers)
	if !ok {
		b = new(buffers)
	}
	defer s.buffers.Put(b)
	body, status, err := b.read(w, r)
	if err != nil {
		s.refused()
		refuse(w, status, "parse_exception", err.Error())
		return
	}
	answer, got, err := s.take(b, body, index, parseFilter(r.URL.Query().Get("filter_path")), began)
	if err != nil {
		s.refused()
		refuse(w, http.StatusBadRequest, "illegal_argument_exception", err.Error())
		return
	}
	got.Requests, got.Sent, got.Unpacked = 1, int64(b.body.Len()), int64(len(body))
	for _, n := range s.needles {
		got.Needles += int64(bytes.Count(body, n))
	}
	s.count(got, b.hashes)
	reply(w, http.StatusOK, answer)
}

func (s *Sink) refused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Refused++
}

func (s *Sink) count(c Counts, hashes []uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.counts
	t.Documents += c.Documents
	t.NoID += c.NoID
	t.Requests += c.Requests
	t.Sent += c.Sent
	t.Unpacked += c.Unpacked
	t.Needles += c.Needles
	for _, h := range hashes {
		s.ids[h] = struct{}{}
	}
}

// read takes the body off the connection and unpacks it. The bytes are valid
// until b is used again.
func (b *buffers) read(w http.ResponseWriter, r *http.Request) (body []byte, status int, err error) {
	b.body.Reset()
	if n := r.ContentLength; n > 0 && n <= maxBody {
		// ReadFrom wants MinRead bytes more than there are before it sees the end.
		b.body.Grow(int(n) + bytes.MinRead)
	}
	if _, err := b.body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("read the body: %w", err)
	}
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "":
		return b.body.Bytes(), 0, nil
	case "gzip":
	default:
		return nil, http.StatusUnsupportedMediaType, fmt.Errorf("unpack the body: no such encoding as %q", enc)
	}
	if b.gzip == nil {
		b.gzip = new(gzip.Reader)
	}
	if err := b.gzip.Reset(bytes.NewReader(b.body.Bytes())); err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("unpack the body: %w", err)
	}
	b.unpacked.Reset()
	n, err := b.unpacked.ReadFrom(io.LimitReader(b.gzip, maxBody+1))
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("unpack the body: %w", err)
	}
	if n > maxBody {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("unpack the body: longer than %d bytes", maxBody)
	}
	return b.unpacked.Bytes(), 0, nil
}

func reply(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=UTF-8")
	h.Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	// An error here is a client that has gone: it will ask again.
	_, _ = w.Write(body)
}

// refuse answers in the form that OpenSearch gives its errors.
func refuse(w http.ResponseWriter, status int, kind, reason string) {
	type cause struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
	}
	c := cause{kind, reason}
	body, err := json.Marshal(map[string]any{
		"status": status,
		"error": struct {
			RootCause []cause `json:"root_cause"`
			cause
		}{[]cause{c}, c},
	})
	if err != nil {
		body = []byte(`{}`)
	}
	reply(w, status, body)
}
