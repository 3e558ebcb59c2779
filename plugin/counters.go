package plugin

import "sync/atomic"

// Counters are what an instance did, since its start.
//
// Concurrency: safe for concurrent use.
type Counters struct {
	Flushes   atomic.Uint64 // calls of Flush
	Refused   atomic.Uint64 // of them refused at once, the destination being down
	Records   atomic.Uint64 // records decoded, a retried chunk's again
	Documents atomic.Uint64 // documents written, a retried chunk's rest again
	Dropped   atomic.Uint64 // records that a rule said to drop
	Unusable  atomic.Uint64 // records that became dead letters without a document
	Alerts    atomic.Uint64 // documents on which a rule fired
	Fired     atomic.Uint64 // rules that fired
	Cuts      atomic.Uint64 // places redacted
}

// tally is what a flush counts for itself: workers that counted into the same
// atomics for every record would wait for each other.
type tally struct {
	records, documents, dropped, unusable, alerts, fired, cuts uint64
}

// add adds a tally and empties it.
func (c *Counters) add(t *tally) {
	c.Records.Add(t.records)
	c.Documents.Add(t.documents)
	c.Dropped.Add(t.dropped)
	c.Unusable.Add(t.unusable)
	c.Alerts.Add(t.alerts)
	c.Fired.Add(t.fired)
	c.Cuts.Add(t.cuts)
	*t = tally{}
}
