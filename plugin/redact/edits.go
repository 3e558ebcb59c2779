package redact

// Action is what happens to a value that was found.
type Action uint8

// The actions. Encrypt is known by name and refused when rules are loaded.
const (
	Redact     Action = iota // the value becomes [REDACTED:id]
	Mask                     // its characters become *, some at either end may stay
	Hash                     // it becomes a keyed pseudonym, the same for the same value
	Encrypt                  // it becomes text that the key opens again
	DropField                // the field goes with its key; inside a text as Redact
	DropRecord               // the record is not sent
)

// actionNames are the actions as rules write them.
var actionNames = [...]string{"redact", "mask", "hash", "encrypt", "drop_field", "drop_record"}

// String gives the action as rules write it.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "unknown"
}

// Edit replaces text[Start:End] of one string (its raw bytes), or a whole
// value.
//
// Bytes: Text is valid until the next use of the State it was made with.
type Edit struct {
	Node       int32  // index in Record.Nodes
	Key        bool   // the edit is in the node's key
	Whole      bool   // the whole value goes: a number becomes null, a string Text; DropField removes the field with its key
	Start, End int32  // in the string's raw bytes; 0,0 when Whole
	Detector   int32  // index in Engine.Detectors()
	Action     Action // Redact, Mask, Hash or DropField
	Text       []byte // what is written instead, plain text, not yet JSON escaped
}

// Edits is all that is to be changed in one record.
//
// Bytes: valid until the next use of the State it was made with.
type Edits struct {
	List       []Edit // sorted by (Node, Key first, Start), not overlapping
	DropRecord bool   // the record must not be sent at all
	DropBy     int32  // the detector that says so
}

// Detector names one rule, detector or field rule, to people.
type Detector struct {
	ID    string // as in [REDACTED:id] and in counts
	About string // one line
	Field bool   // a field rule
	File  string
	Line  int
}
