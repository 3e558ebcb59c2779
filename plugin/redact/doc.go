// Package redact finds what must not leave the node: secrets and personal
// data, by the rules of YAML files.
//
// It takes a record and the hits that the one scan found in its strings, and
// gives edits: which bytes of which string go, and what is written instead. It
// promises that a value which a rule cuts stands nowhere in what the edits
// leave, that JSON in text stays JSON, that the kind of a value stays (a number
// becomes null, only strings become tokens), and that a record without hits
// costs no allocation and next to no time.
//
//	var b scan.Builder
//	engine, err := redact.Compile(files, keys, &b, redact.Options{})
//	set := b.Build()
//	// per record, found made with set:
//	edits := engine.Redact(&state, &rec, found)
//
// Two kinds of rules find values. A detector knows a value by its own shape
// (github_token, credit_card) and is asked where its keyword, a run of digits
// or '@' stands. A field rule knows it by its name (password, cookie), be that
// the key of a value in the record or a key inside a text: JSON, JSON in JSON,
// key=value, key: value, headers, URL parameters, options of commands.
package redact
