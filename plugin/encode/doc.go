// Package encode writes documents: it takes a record, the rules that fired on
// it and the edits that redaction wants, and appends to a body the
// destination's framing and one JSON document, having named its index.
//
// It promises that a document is valid JSON in valid UTF-8 with each key once,
// that what an edit cuts is not in it, that no record can forge the fields
// that are Seclog's own, and that the same input gives the same bytes.
//
//	e := encode.New(&cfg)
//	body, doc = e.Append(body, &encode.Input{Record: &rec, Fired: fired, Edits: edits, ID: id})
package encode
