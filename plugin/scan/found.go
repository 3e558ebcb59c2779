package scan

// Found is the hits of one string of a record.
//
// *Bytes:* Hits belongs to the caller that scanned; it is valid until that
// caller scans the next record.
type Found struct {
	// Node is the index of the string's node on the record's tape.
	Node int32
	// Key says that the string is the node's key, not its value.
	Key bool
	// Hits are the places in the string, ascending.
	Hits []Hit
}
