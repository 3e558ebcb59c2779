// Package deliver brings documents to a destination exactly once: it decides
// what an answer means for every document, tries again what was not taken, sets
// aside what can never be taken, and remembers across flushes what is done.
//
// A destination lives in a folder of its own below this one and implements
// Destination; this package knows no protocol.
package deliver

import (
	"context"
	"time"
)

// Doc is one document of a body: its framing and its JSON are Body[Off:End],
// each ended by a newline, and the document itself is Body[JSONOff:End].
type Doc struct {
	Off, End int      // the document with its framing
	JSONOff  int      // where the document itself starts
	Index    string   // the index that the framing names
	ID       [20]byte // the _id that the framing names
	OwnID    string   // it instead, where the record brings an id; printable ASCII without quotes and backslashes
	Place    int32    // the record's number in its chunk: the ordinal in the ledger; negative: not in the ledger
	Sec      int64    // the record's time, Unix seconds
	Nsec     int32    // and nanoseconds
}

// Batch is documents of one chunk on their way.
//
// Bytes: Body and Docs are the caller's; Send reads them until it returns and
// never afterwards, so they may be reused at once.
type Batch struct {
	Tag         string // the redacted tag, for dead letters
	RuleVersion string // the rule set's version, for dead letters
	Body        []byte
	Docs        []Doc
}

// Outcome is what became of one document.
type Outcome uint8

// The outcomes.
const (
	Later     Outcome = iota // not taken now: send it again; the zero value, so what nobody judged is sent again
	Delivered                // it is in the index
	Dead                     // it can never be taken: a dead letter is due
	Blocked                  // its index refuses until somebody acts
)

// String names the outcome.
func (o Outcome) String() string {
	switch o {
	case Later:
		return "later"
	case Delivered:
		return "delivered"
	case Dead:
		return "dead"
	case Blocked:
		return "blocked"
	}
	return "unknown"
}

// Verdict is what one answer means for its request as a whole.
type Verdict uint8

// The verdicts.
const (
	NoAnswer  Verdict = iota // nothing usable came back: all documents again
	Items                    // Answer.Items has the outcome of every document
	Throttled                // the destination asks to wait: all documents again
	Refused                  // somebody must act before the destination takes anything
	TooLarge                 // the request is too large
	Malformed                // the destination could not read the request: a document in it breaks the framing
)

// Item is what an answer says about one document.
type Item struct {
	Outcome   Outcome
	Duplicate bool   // Delivered, and it had been there before
	Throttled bool   // Later, because the destination asks to wait
	Status    uint16 // the status of the document
	Type      string // the type of its error, of a closed alphabet; never the destination's own words
}

// Request is a set of documents to send in one piece.
type Request struct {
	Body  []byte
	Docs  []Doc
	Which []int32 // indexes in Docs, ascending

	Timeout      time.Duration // of one attempt
	RetryWaitMin time.Duration // shortest wait before another attempt
	RetryWaitMax time.Duration // longest one, whatever the destination asks for

	// RetryUntil is the moment after which neither a further attempt nor a
	// wait may start.
	RetryUntil time.Time

	// Again says that some of the documents may have been refused before, so
	// that it is worth asking at once for more than is asked of new ones.
	Again bool

	// Failed, when not nil, is told of attempts that brought nothing usable,
	// before the wait that follows them; of a first one only when it asks to
	// wait or none follows. The status is 0 when no answer came; wait is 0 when
	// no further attempt follows.
	Failed func(status int, wait time.Duration)
}

// Size is the number of bytes of the request's documents.
func (r *Request) Size() int {
	n := 0
	for _, i := range r.Which {
		n += r.Docs[i].End - r.Docs[i].Off
	}
	return n
}

// Answer is what a request brought. A destination fills it anew each time; its
// Items keep their memory from use to use.
type Answer struct {
	Verdict    Verdict
	Status     int           // HTTP status, 0 when none came
	Type       string        // error type of the whole answer, closed alphabet
	Cause      string        // why there is no usable answer, in words of our own
	RetryAfter time.Duration // capped wait that the destination asks for, 0 when it does not
	Items      []Item        // with verdict Items: one for each of Request.Which, in its order
	Attempts   int           // requests made
	Bytes      int64         // bytes of bodies sent, compressed if so
}

// Reset empties the answer and keeps its memory.
func (a *Answer) Reset() { *a = Answer{Items: a.Items[:0]} }

// Destination sends documents somewhere.
//
// Concurrency: all methods may be called at the same time.
type Destination interface {
	// Send makes the request and fills the answer.
	//
	// Bytes: it reads req.Body until it returns and never afterwards.
	Send(ctx context.Context, req *Request, ans *Answer)

	// Frame appends the framing that opens a document of the index and id,
	// ended by a newline. Both must hold only bytes that need no escaping.
	Frame(dst []byte, index, id string) []byte

	// Close frees what the destination holds; no Send may be running.
	Close() error
}

// Advisor is a destination that knows what its refusals ask somebody to do.
type Advisor interface {
	// Advise says it in one line of plain words of our own, for what a line names
	// as its kind and status; empty when nothing is known.
	Advise(kind string, status int) string
}
