package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
)

// ReplayOptions say which dead letters are sent again, and where to.
type ReplayOptions struct {
	Config      *config.Config      // where to and as whom
	Destination deliver.Destination // nil: the OpenSearch that Config names
	File        string              // a dead-letter file
	Index       string              // without a file: the index, an alias or a pattern; "": Config's Dead_Letter_Index

	Types        []string  // only letters of these error types; none: all
	Since, Until time.Time // only letters of records of this time, Until excluded; zero: any

	DryRun   bool                 // count only
	Timeout  time.Duration        // how long to go on while nothing is taken; 0: ten minutes
	Now      func() time.Time     // nil: time.Now
	Log      func(line string)    // takes what is waited for; nil: nobody does
	Progress func(ReplayProgress) // is told after each letter; nil: nobody is
}

// ReplayProgress says how far a replay is.
type ReplayProgress struct {
	Done, All int64 // bytes of a file, letters of an index; All may be 0 at the begin
	Bytes     bool
	Result    *ReplayResult // so far; to be read before the call returns
}

// ReplayCause is what a letter is counted under.
type ReplayCause struct{ Index, Type string }

// ReplayResult says what became of the letters.
type ReplayResult struct {
	Letters         int                 // that could be read
	NotChosen       int                 // of another type or time
	WithoutDocument map[string]int      // which no replay can bring back, by error type
	Chosen          map[ReplayCause]int // to be sent, by index and the type of the error that made them dead
	Delivered       int                 // now in their index
	AlreadyThere    int                 // they had been in their index
	Refused         map[ReplayCause]int // not taken, by index and the type of the error now
	NotSent         int                 // read, and no answer yet when the work ended
	Bad             int                 // lines or documents that are no letter, or none that may be sent
	BadFirst        []string            // the first of these, with the reason
	Torn            bool                // the file's last line has no end and was left out
	Requests        int                 // that were made to deliver
}

// Bounds of what is remembered.
const (
	replayBad    = 10
	replayCauses = 1000
)

// otherCauses is what all further causes are counted under.
const otherCauses = "others"

// ErrInterrupted says that a replay was ended by its context.
var ErrInterrupted = errors.New("interrupted")

// letterSource gives dead letters one after the other, then io.EOF.
type letterSource interface {
	Next() (deliver.DeadLetter, error)
	Progress() (done, all int64)
}

// Replay sends dead letters again: each document as it was written then, with
// its own _id to its own index, through Config's Pipeline, and only where it is
// not there already. What is refused again is counted and makes no new letter.
// It ends between two requests when ctx does.
//
// Errors: ErrInterrupted, or what kept it from going on. The result is right
// nonetheless; it is nil only when nothing was begun.
func Replay(ctx context.Context, o ReplayOptions) (*ReplayResult, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	if o.Progress == nil {
		o.Progress = func(ReplayProgress) {}
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Minute
	}
	r := &replay{
		o: o, ctx: ctx, dest: o.Destination, limit: int(o.Config.BulkSize), end: o.Now().Add(o.Timeout),
		result: &ReplayResult{WithoutDocument: map[string]int{}, Chosen: map[ReplayCause]int{}, Refused: map[ReplayCause]int{}},
	}
	var client *opensearch.Client
	if r.dest == nil {
		to := opensearch.FromConfig(o.Config, o.Now)
		to.Operation = "create" // what came after the letter is not replaced by it
		var err error
		if client, err = opensearch.New(to); err != nil {
			return nil, err
		}
		defer client.Close()
		r.dest = client
	}
	if o.File != "" {
		file, err := deliver.OpenLetters(o.File)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		r.source = file
		err = r.run()
		r.result.Torn = file.Torn()
		return r.result, err
	}
	if o.Index == "" {
		o.Index = o.Config.DeadLetterIndex
	}
	if client == nil || o.Index == "" {
		return nil, errors.New("no index of dead letters to read")
	}
	letters, err := client.Letters(o.Index, o.Config.Timeout)
	if err != nil {
		return nil, err
	}
	r.source = indexSource{ctx, letters}
	return r.result, r.run()
}

// indexSource is letters of an index as a letterSource.
type indexSource struct {
	ctx     context.Context
	letters *opensearch.Letters
}

// Next implements letterSource.
func (s indexSource) Next() (deliver.DeadLetter, error) { return s.letters.Next(s.ctx) }

// Progress implements letterSource.
func (s indexSource) Progress() (done, all int64) { return s.letters.Progress() }

// replay is a Replay under way.
type replay struct {
	o      ReplayOptions
	ctx    context.Context
	source letterSource
	dest   deliver.Destination
	result *ReplayResult
	limit  int       // bytes of a request
	end    time.Time // when it gives up, unless something is taken before
	failed int       // waits since something was taken

	body  []byte
	docs  []deliver.Doc
	which []int32
	next  []int32
	ans   deliver.Answer
	odd   int // single documents in a row that could not even be read
}

// run reads and sends to the end.
func (r *replay) run() error {
	for {
		letter, err := r.letter()
		if err == io.EOF {
			err = r.send()
			r.progress()
			return err
		}
		if err == nil && r.chosen(&letter) {
			err = r.add(&letter)
		}
		if err != nil {
			r.result.NotSent += len(r.docs)
			return err
		}
		r.progress()
	}
}

func (r *replay) progress() {
	done, all := r.source.Progress()
	r.o.Progress(ReplayProgress{Done: done, All: all, Bytes: r.o.File != "", Result: r.result})
}

// letter gives the next one that can be read. Where the index cannot be read at
// the moment it waits.
func (r *replay) letter() (deliver.DeadLetter, error) {
	for {
		if r.ctx.Err() != nil {
			return deliver.DeadLetter{}, ErrInterrupted
		}
		letter, err := r.source.Next()
		var bad *deliver.LetterError
		var failed *opensearch.SearchError
		switch {
		case errors.As(err, &bad):
			r.bad(bad.Error())
			r.progress()
		case errors.As(err, &failed) && failed.Later:
			if err := r.wait(failed.Error()); err != nil {
				return deliver.DeadLetter{}, err
			}
		case r.ctx.Err() != nil:
			return deliver.DeadLetter{}, ErrInterrupted
		default:
			if err == nil {
				r.result.Letters++
				r.taken()
			}
			return letter, err
		}
	}
}

// bad counts what is no letter that may be sent.
func (r *replay) bad(why string) {
	r.result.Bad++
	if len(r.result.BadFirst) < replayBad {
		r.result.BadFirst = append(r.result.BadFirst, why)
	}
}

// chosen tells whether a letter is to be sent, and counts it.
func (r *replay) chosen(l *deliver.DeadLetter) bool {
	o, c := &r.o, r.o.Config
	if len(o.Types) > 0 && !slices.Contains(o.Types, l.Error) ||
		!o.Since.IsZero() && l.Time.Before(o.Since) || !o.Until.IsZero() && !l.Time.Before(o.Until) {
		r.result.NotChosen++
		return false
	}
	if l.Document == "" {
		bump(r.result.WithoutDocument, l.Error, otherCauses)
		return false
	}
	// A letter that was forged must not reach what only a letter's reader may
	// write to.
	switch {
	case l.Index == c.DeadLetterIndex || l.Index == o.Index:
		r.bad("letter " + l.ID + ": its index is the one of dead letters")
		return false
	case l.Index[0] == '.' && !strings.HasPrefix(c.Index.Prefix(), "."):
		r.bad("letter " + l.ID + ": its index begins with a dot")
		return false
	}
	bump(r.result.Chosen, ReplayCause{l.Index, l.Error}, ReplayCause{otherCauses, otherCauses})
	return !o.DryRun
}

// bump counts under a key, or under others where there are many keys.
func bump[K comparable](m map[K]int, key, others K) {
	if _, known := m[key]; !known && len(m) >= replayCauses {
		key = others
	}
	m[key]++
}

// replayDocs bounds the documents of a request.
const replayDocs = 5000

// add puts a letter's document into the body, which is sent before when it is
// full.
func (r *replay) add(l *deliver.DeadLetter) error {
	const framing = 128
	if len(r.docs) > 0 && (len(r.body)+len(l.Document)+len(l.Index)+len(l.ID)+framing > r.limit || len(r.docs) >= replayDocs) {
		if err := r.send(); err != nil {
			r.result.NotSent++ // this one; the others are counted
			return err
		}
	}
	doc := deliver.Doc{Off: len(r.body), Index: l.Index, Place: -1, Sec: l.Time.Unix()}
	r.body = r.dest.Frame(r.body, l.Index, l.ID)
	doc.JSONOff = len(r.body)
	r.body = append(append(r.body, l.Document...), '\n')
	doc.End = len(r.body)
	r.docs = append(r.docs, doc)
	return nil
}

// send sends the body until every document of it is taken or refused.
func (r *replay) send() error {
	r.which = r.which[:0]
	for i := range r.docs {
		r.which = append(r.which, int32(i))
	}
	for len(r.which) > 0 {
		why, err := "", ErrInterrupted
		if r.ctx.Err() == nil {
			why, err = r.request(r.which)
			slices.Sort(r.next)
			r.which, r.next = append(r.which[:0], r.next...), r.next[:0]
		}
		if err == nil && len(r.which) > 0 {
			err = r.wait(why)
		}
		if err != nil {
			// What is in the body was counted here; run must not count it again.
			r.result.NotSent += len(r.which)
			r.body, r.docs = r.body[:0], r.docs[:0]
			return err
		}
	}
	r.body, r.docs = r.body[:0], r.docs[:0]
	if cap(r.body) > keptBody {
		r.body = nil
	}
	return nil
}

// taken notes that the server does its work.
func (r *replay) taken() {
	r.failed, r.end = 0, r.o.Now().Add(r.o.Timeout)
}

// wait waits before another attempt; why says what for.
func (r *replay) wait(why string) error {
	c := r.o.Config
	d := deliver.Backoff(max(c.RetryWaitMin, time.Millisecond), max(c.RetryWaitMax, time.Millisecond), r.failed)
	d = max(d, min(r.ans.RetryAfter, c.RetryWaitMax))
	if r.o.Now().Add(d).After(r.end) {
		return fmt.Errorf("nothing was taken for %s: %s", r.o.Timeout, why)
	}
	if r.failed++; r.failed == 1 {
		r.o.Log(why + "; trying again")
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.ctx.Done():
		return ErrInterrupted
	case <-timer.C:
		return nil
	}
}

// unreadable is how many documents in a row may be the ones that keep a request
// from being read, before the requests as such are blamed.
const unreadable = 8

// request makes one request, more where it is too large or a document in it
// cannot be read. Documents to be sent again are appended to next.
//
// Errors: the server takes nothing until somebody acts; what has no outcome is
// in next.
func (r *replay) request(which []int32) (why string, err error) {
	c, now := r.o.Config, r.o.Now()
	req := deliver.Request{
		Body: r.body, Docs: r.docs, Which: which, Again: true,
		Timeout: c.Timeout, RetryWaitMin: c.RetryWaitMin, RetryWaitMax: c.RetryWaitMax,
		RetryUntil: now.Add(min(c.RetryTimeout, r.end.Sub(now))),
	}
	ans := &r.ans
	ans.Reset()
	// A request that is under way has its answer heard.
	r.dest.Send(context.WithoutCancel(r.ctx), &req, ans)
	r.result.Requests += ans.Attempts
	switch {
	case ans.Verdict == deliver.Items && len(ans.Items) == len(which):
		return r.items(which), nil
	case ans.Verdict == deliver.Refused:
		r.next = append(r.next, which...)
		return "", fmt.Errorf("the server refuses: %s (status %d)", orUnknown(ans.Type), ans.Status)
	case ans.Verdict == deliver.TooLarge && len(which) == 1:
		r.refuse(which[0], "content_too_long")
		return "", nil
	case ans.Verdict == deliver.Malformed && len(which) == 1:
		r.refuse(which[0], orUnknown(ans.Type))
		if r.odd++; r.odd >= unreadable {
			return "", fmt.Errorf("the server cannot read the requests: %s (status %d)", orUnknown(ans.Type), ans.Status)
		}
		return "", nil
	case ans.Verdict == deliver.TooLarge, ans.Verdict == deliver.Malformed:
		if ans.Verdict == deliver.TooLarge {
			r.limit = max(min(r.limit, req.Size()/2), 1)
		}
		half := len(which) / 2
		for k, part := range [][]int32{which[:half], which[half:]} {
			said, err := r.request(part)
			if err != nil {
				if k == 0 {
					r.next = append(r.next, which[half:]...)
				}
				return "", err
			}
			if said != "" {
				why = said
			}
		}
		return why, nil
	}
	r.next = append(r.next, which...)
	if ans.Verdict == deliver.Throttled {
		return "the server asks to wait", nil
	}
	if ans.Cause == "" {
		return "no usable answer", nil
	}
	return ans.Cause, nil
}

// items counts the outcome of every document of a request.
func (r *replay) items(which []int32) (why string) {
	for k, i := range which {
		item := &r.ans.Items[k]
		switch item.Outcome {
		case deliver.Delivered:
			r.odd = 0
			if item.Duplicate {
				r.result.AlreadyThere++
			} else {
				r.result.Delivered++
			}
			r.taken()
		case deliver.Dead, deliver.Blocked:
			r.refuse(i, orUnknown(item.Type))
		default:
			r.next = append(r.next, i)
			why = "documents are not taken: " + orUnknown(item.Type)
		}
	}
	return why
}

// refuse counts a document that the server does not take.
func (r *replay) refuse(i int32, kind string) {
	r.taken() // the server answers, so it is there
	bump(r.result.Refused, ReplayCause{r.docs[i].Index, kind}, ReplayCause{otherCauses, otherCauses})
}

func orUnknown(kind string) string {
	if kind == "" {
		return "unknown"
	}
	return kind
}
