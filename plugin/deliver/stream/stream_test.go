package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// documents is n documents of one line each, framed as the writer does.
func documents(w *stream.Writer, n int) *deliver.Batch {
	b := &deliver.Batch{}
	for i := range n {
		d := deliver.Doc{Off: len(b.Body), Place: int32(i)}
		b.Body = w.Frame(b.Body, "index", "id")
		d.JSONOff = len(b.Body)
		b.Body = fmt.Appendf(b.Body, "{\"n\":%d}\n", i)
		d.End = len(b.Body)
		b.Docs = append(b.Docs, d)
	}
	return b
}

// breaks is a writer that breaks after some bytes.
type breaks struct {
	bytes.Buffer
	left int
}

var errBroken = errors.New("broken")

func (b *breaks) Write(p []byte) (int, error) {
	if b.left < len(p) {
		n, _ := b.Buffer.Write(p[:b.left])
		b.left = 0
		return n, errBroken
	}
	b.left -= len(p)
	return b.Buffer.Write(p)
}

func TestWriter_WritesWhatWasAsked(t *testing.T) {
	var out bytes.Buffer
	w := stream.New(&out)
	b := documents(w, 4)
	var ans deliver.Answer
	w.Send(context.Background(), &deliver.Request{Body: b.Body, Docs: b.Docs, Which: []int32{0, 2}}, &ans)
	if ans.Verdict != deliver.Items || len(ans.Items) != 2 || ans.Items[1].Outcome != deliver.Delivered || ans.Bytes != int64(out.Len()) {
		t.Errorf("%+v", ans)
	}
	if got, want := out.String(), "{\"n\":0}\n{\"n\":2}\n"; got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
	if err := errors.Join(w.Err(), w.Close()); err != nil {
		t.Error(err)
	}
}

// A writer that broke once takes nothing more: nobody knows where it stands.
func TestWriter_Broken(t *testing.T) {
	out := &breaks{left: 12}
	w := stream.New(out)
	b := documents(w, 3)
	for range 2 {
		var ans deliver.Answer
		w.Send(context.Background(), &deliver.Request{Body: b.Body, Docs: b.Docs, Which: []int32{0, 1, 2}}, &ans)
		if ans.Verdict != deliver.NoAnswer || len(ans.Items) != 0 || ans.Cause != "broken" {
			t.Errorf("%+v", ans)
		}
		out.left = 1000
	}
	if got := out.String(); got != "{\"n\":0}\n{\"n\"" {
		t.Errorf("wrote %q", got)
	}
	if !errors.Is(w.Err(), errBroken) {
		t.Errorf("error is %v", w.Err())
	}
}

func TestWriter_DocumentsOfOneSendStayTogether(t *testing.T) {
	var out bytes.Buffer
	w := stream.New(&out)
	b := documents(w, 3)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			var ans deliver.Answer
			w.Send(context.Background(), &deliver.Request{Body: b.Body, Docs: b.Docs, Which: []int32{0, 1, 2}}, &ans)
		})
	}
	wg.Wait()
	if want := strings.Repeat(string(b.Body), 20); out.String() != want {
		t.Errorf("wrote %q", out.String())
	}
}
