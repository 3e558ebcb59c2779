package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/plugin/encode"
	"github.com/seclog/seclog/plugin/redact"
	"github.com/seclog/seclog/plugin/scan"
)

// flush is the work on one chunk and the memory for it, used again for the
// next one.
type flush struct {
	in        *Instance
	rules     *ruled
	tag       []byte // redacted
	entry     *deliver.Entry
	id        encode.ChunkID
	positions *encode.Positions // nil: Id_Position is Off
	first     int64             // Unix seconds of the chunk's first attempt
	print     [16]byte

	reader  decode.Reader
	rec     decode.Record
	looker  looker
	detect  detect.State
	redact  redact.State
	tagHits []scan.Hit
	encoder *encode.Encoder
	input   encode.Input

	batch   deliver.Batch
	letters []deliver.DeadLetter
	buried  []int32 // the places of letters
	waiting int     // documents and dead letters that are not safe
	tally   tally
}

// run does one chunk from its bytes to the verdict.
func (f *flush) run(ctx context.Context, tag string, chunk []byte) Result {
	f.begin(tag, chunk)
	delivered := false // also when a panic ends this
	defer func() {
		f.in.counts.add(&f.tally)
		f.entry.Finish(delivered)
	}()
	f.reader.Reset(chunk)
	for {
		ok, err := f.reader.Next(&f.rec)
		if err != nil {
			f.id.Write(&f.input.ID, min(f.rec.Place, encode.MaxPlace-1))
			f.bury(err)
		}
		if !ok {
			break
		}
		f.tally.records++
		if err == nil {
			f.one()
		} else {
			f.skipped()
		}
		if len(f.batch.Body) >= int(f.in.cfg.BulkSize) || len(f.letters) >= maxLetters {
			f.send(ctx)
			if f.waiting > 0 && (f.in.sender.Down() || f.in.sender.Late(ctx)) {
				return Retry // the rest would only be encoded in vain
			}
		}
	}
	f.send(ctx)
	if f.waiting > 0 {
		return Retry
	}
	delivered = true
	return OK
}

// maxLetters is how many dead letters are written at a time.
const maxLetters = 1000

// keptBody is the largest body buffer that is kept for the next chunk.
const keptBody = 16 << 20 // 16 MB

func (f *flush) begin(tag string, chunk []byte) {
	in := f.in
	if r := in.rules.Load(); f.rules != r {
		// Whatever was remembered was made under other rules.
		*f = flush{in: in, rules: r, encoder: encode.New(&r.encode)}
		if fields := in.cfg.IDPosition; len(fields) == 2 {
			f.positions = in.ids.NewPositions(fields[0], fields[1], in.cfg.LogKeys)
		}
	}
	f.print = in.ids.Fingerprint(tag, chunk)
	n, entry := in.ledger.Claim(f.print)
	f.entry, f.waiting, f.first = entry, 0, entry.First().Unix()
	f.id = in.ids.Chunk(f.print, n, firstSecond(&f.reader, &f.rec, chunk))
	if f.positions != nil {
		f.positions.Begin(tag)
	}
	f.tagHits = f.rules.Scan.Scan([]byte(tag), f.tagHits[:0])
	f.tag = f.rules.Redact.RedactText(&f.redact, []byte(tag), f.tagHits, f.tag[:0])
	if in.cfg.Redact != config.RedactOn {
		f.tag = append(f.tag[:0], tag...)
	}
	f.batch.Tag, f.batch.RuleVersion = string(f.tag), f.rules.Version
	f.reader.MaxRecord = int(in.cfg.RecordMax)
	f.empty()
	f.skipped()
	f.rules.Redact.Begin(&f.redact)
}

// firstSecond is the time of the chunk's first record that can be read.
func firstSecond(r *decode.Reader, rec *decode.Record, chunk []byte) int64 {
	r.Reset(chunk)
	for {
		ok, err := r.Next(rec)
		if !ok {
			return 0
		}
		if err == nil {
			return rec.Sec
		}
	}
}

// empty forgets the body, which is sent.
func (f *flush) empty() {
	if cap(f.batch.Body) > keptBody {
		f.batch.Body = nil
	}
	f.batch.Body, f.batch.Docs, f.letters = f.batch.Body[:0], f.batch.Docs[:0], f.letters[:0]
	f.buried = f.buried[:0]
	f.encoder.Forget()
}

// skipped says that the record at hand made no document, so the next one
// cannot be compared with it.
func (f *flush) skipped() {
	f.looker.forget()
	f.detect.Forget()
	f.encoder.Forget()
	if f.positions != nil {
		f.positions.Forget()
	}
}

// one makes a document of the record at hand. A panic in any stage makes a
// dead letter of this record alone: retried, it would only panic again.
func (f *flush) one() {
	body, docs := len(f.batch.Body), len(f.batch.Docs)
	defer func() {
		if p := recover(); p != nil {
			f.batch.Body, f.batch.Docs = f.batch.Body[:body], f.batch.Docs[:docs]
			f.skipped()
			f.bury(errPanic)
			f.in.log(Error, fmt.Sprintf("a record of tag %q became a dead letter: %T while it was processed", f.tag, p))
		}
	}()
	if f.rec.Place >= encode.MaxPlace {
		f.id.Write(&f.input.ID, encode.MaxPlace-1)
		f.skipped()
		f.bury(errPlace)
		return
	}
	if f.positions == nil || !f.positions.Write(&f.input.ID, &f.rec) {
		f.id.Write(&f.input.ID, f.rec.Place)
	}
	// What an earlier attempt delivered is only looked at by redaction, for
	// which a key's lines hang together: a retry must cut what the first cut.
	done := f.entry.Has(int32(f.rec.Place))
	r, in := f.rules, &f.input
	f.in.fault(stageScan, f.rec.Place)
	found := f.looker.look(r.Scan, &f.rec)
	in.Record, in.Tag, in.First, in.Fired, in.Edits = &f.rec, f.tag, f.first, nil, nil
	if r.detected && !done {
		f.in.fault(stageDetect, f.rec.Place)
		in.Fired = r.Detect.Detect(&f.detect, &f.rec, found)
	}
	if r.redacted {
		f.in.fault(stageRedact, f.rec.Place)
		in.Edits = r.Redact.Redact(&f.redact, &f.rec, found)
		in.Report = f.in.cfg.Redact == config.RedactReport
		if !done && in.Edits.DropRecord && !in.Report {
			f.tally.dropped++
			f.entry.Done(int32(f.rec.Place))
			f.skipped()
			return
		}
	}
	if done {
		f.detect.Forget()
		f.encoder.Forget()
		return
	}
	f.in.fault(stageEncode, f.rec.Place)
	dst, doc := f.encoder.Append(f.batch.Body, in)
	f.batch.Body = dst
	f.batch.Docs = append(f.batch.Docs, deliver.Doc{
		Off: doc.Off, JSONOff: doc.JSON, End: doc.End, Index: doc.Index,
		ID: in.ID, OwnID: doc.ID, Place: int32(f.rec.Place), Sec: f.rec.Sec, Nsec: f.rec.Nsec,
	})
	f.count(in)
}

// stage names the work at hand, so that a test can make it fail.
type stage uint8

const (
	stageScan stage = iota
	stageDetect
	stageRedact
	stageEncode
)

// Reasons, beside decode's, for which a record is no document.
var (
	errPanic = errors.New("panic")
	errPlace = errors.New("beyond the 16,777,216th record of its chunk")
)

func (f *flush) count(in *encode.Input) {
	t := &f.tally
	t.documents++
	if len(in.Fired) > 0 {
		t.alerts++
		t.fired += uint64(len(in.Fired))
	}
	if in.Edits != nil {
		t.cuts += uint64(len(in.Edits.List))
	}
}

// bury makes a dead letter, without content, of the record at hand, whose id
// is the input's.
func (f *flush) bury(err error) {
	place := int32(min(f.rec.Place, encode.MaxPlace-1))
	if f.entry.Has(place) {
		return
	}
	f.tally.unusable++
	reason := err.Error()
	if e := (*decode.Error)(nil); errors.As(err, &e) {
		reason = e.Reason
	}
	raw := f.rec.Bytes(f.rec.Raw)
	f.buried = append(f.buried, place)
	f.letters = append(f.letters, deliver.DeadLetter{
		ID:          string(f.input.ID[:]),
		Time:        f.time(),
		Tag:         string(f.tag),
		RuleVersion: f.rules.Version,
		Error:       reason,
		Size:        len(raw),
		Fingerprint: f.in.fingerprint(raw),
	})
}

// time is the record's time for a dead letter; where it cannot be read, that of
// the chunk's first attempt.
func (f *flush) time() time.Time {
	if f.rec.Sec == 0 && f.rec.Nsec == 0 {
		return time.Unix(f.first, 0).UTC()
	}
	return f.rec.Time()
}

// send delivers what is written so far and empties the body.
func (f *flush) send(ctx context.Context) {
	f.in.counts.add(&f.tally)
	if len(f.batch.Docs) > 0 {
		// What keeps dead letters from being written is told by the sender.
		res, _ := f.in.sender.Send(ctx, &f.batch, f.entry)
		f.waiting += res.Waiting + res.Blocked
	}
	if len(f.letters) > 0 {
		if err := f.in.sender.DeadLetter(ctx, f.letters); err != nil {
			f.waiting += len(f.letters)
		} else {
			for _, place := range f.buried {
				f.entry.Dead(place)
			}
		}
	}
	f.empty()
}
