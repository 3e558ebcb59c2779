package deliver

import "sync/atomic"

// Counters count what delivery did since the instance began.
//
// Concurrency: every field may be read at any time.
type Counters struct {
	Requests   atomic.Uint64 // requests made, repeated ones included
	Retries    atomic.Uint64 // requests that repeated another
	Bytes      atomic.Uint64 // bytes of bodies sent, compressed if so
	Delivered  atomic.Uint64 // documents delivered, duplicates included
	Duplicates atomic.Uint64 // documents that had been there before
	Dead       atomic.Uint64 // documents and records that became dead letters
	DeadInFile atomic.Uint64 // of these, those that went to the file
	DeadBy     Causes        // dead letters by the type of their error
	Blocked    atomic.Uint64 // times a document's index refused until somebody acts
	NotNow     atomic.Uint64 // times a document was not taken for now
	TurnedAway atomic.Uint64 // flushes turned away because another was probing
}
