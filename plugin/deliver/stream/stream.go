// Package stream is the destination of the command line: documents are written
// to an io.Writer, a line each, and are delivered when the writer took them.
package stream

import (
	"context"
	"io"
	"sync"

	"github.com/seclog/seclog/plugin/deliver"
)

// Writer is a destination that writes documents to a stream.
//
// Concurrency: safe for concurrent use; the documents of one Send stay together.
type Writer struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

var _ deliver.Destination = (*Writer)(nil)

// New makes a destination of w.
func New(w io.Writer) *Writer { return &Writer{w: w} }

// Send writes the documents. A writer that fails once is not used again, since
// nobody knows how much of a line it took.
func (w *Writer) Send(_ context.Context, req *deliver.Request, ans *deliver.Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ans.Reset()
	ans.Attempts = 1
	for _, i := range req.Which {
		if w.err != nil {
			break
		}
		d := &req.Docs[i]
		_, w.err = w.w.Write(req.Body[d.JSONOff:d.End])
		ans.Bytes += int64(d.End - d.JSONOff)
		ans.Items = append(ans.Items, deliver.Item{Outcome: deliver.Delivered, Status: 201})
	}
	ans.Verdict, ans.Status = deliver.Items, 200
	if w.err != nil {
		ans.Items = ans.Items[:0]
		ans.Verdict, ans.Cause = deliver.NoAnswer, w.err.Error()
	}
}

// Frame appends nothing: a document stands alone on its line.
func (w *Writer) Frame(dst []byte, _, _ string) []byte { return dst }

// Err is the error of the writer, if it had one.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Close does nothing; the writer is the caller's.
func (w *Writer) Close() error { return nil }
