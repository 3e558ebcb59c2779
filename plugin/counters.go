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
