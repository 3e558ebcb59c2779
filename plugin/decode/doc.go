// Package decode reads Fluent Bit's chunks: msgpack batches of log records.
//
// It takes the bytes of one chunk and gives one Record after the other, each a
// tape of nodes that point into the chunk; nothing is copied. It promises that
// no bytes, however broken, make it panic, recurse without bound or allocate
// more than a fixed multiple of what the chunk really holds.
//
//	var r decode.Reader
//	r.Reset(chunk)
//	for ok, err := r.Next(&rec); ok; ok, err = r.Next(&rec) { … }
//
// All of Fluent Bit's forms are read: [[time, metadata], body] (since 2.1),
// [time, body] (before), group markers around OTLP records, and times as
// event time extension, integer or float.
package decode
