// Package decodetest writes chunks as Fluent Bit does, for tests, tools and
// whatever plays Fluent Bit.
package decodetest

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ugorji/go/codec"
)

// Map is a msgpack map whose pairs keep their order: key, value, key, value.
type Map []any

// MapBySlice tells the encoder to write the slice as a map.
func (Map) MapBySlice() {}

// EventTime is Fluent Bit's time: extension type 0, seconds and nanoseconds in
// eight bytes, big endian.
type EventTime struct{ Sec, Nsec uint32 }

// Time is the EventTime of t.
func Time(t time.Time) EventTime {
	return EventTime{Sec: uint32(t.Unix()), Nsec: uint32(t.Nanosecond())}
}

// Chunk collects records. The zero value is ready.
//
// Concurrency: not safe for concurrent use.
type Chunk struct {
	buf []byte
	enc *codec.Encoder
}

// Handle is the codec handle that chunks are written with, and read back with
// in tools and tests: strings as str, bytes as bin, extensions kept.
func Handle() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{}
	h.WriteExt = true
	h.RawToString = true
	h.MaxDepth = 128
	return h
}

// Record appends [[time, {}], body], the form since Fluent Bit 2.1.
func (c *Chunk) Record(t EventTime, body any) *Chunk {
	return c.Meta(t, Map{}, body)
}

// Meta appends [[time, metadata], body].
func (c *Chunk) Meta(t EventTime, meta, body any) *Chunk {
	c.buf = append(c.buf, 0x92, 0x92)
	c.time(t)
	return c.Value(meta).Value(body)
}

// Old appends [time, body], the form before Fluent Bit 2.1; t may be an
// EventTime, an integer or a float.
func (c *Chunk) Old(t, body any) *Chunk {
	c.buf = append(c.buf, 0x92)
	if et, ok := t.(EventTime); ok {
		c.time(et)
	} else {
		c.Value(t)
	}
	return c.Value(body)
}

// GroupStart appends the marker that opens a group of OTLP records.
func (c *Chunk) GroupStart(resource, scope any) *Chunk {
	meta := Map{"schema", "otlp", "resource_id", 0, "scope_id", 0}
	return c.Meta(EventTime{Sec: 0xffffffff}, meta, Map{"resource", resource, "scope", scope})
}

// GroupEnd appends the marker that closes it.
func (c *Chunk) GroupEnd() *Chunk {
	return c.Meta(EventTime{Sec: 0xfffffffe}, Map{}, Map{})
}

// Value appends any value as it is. It panics on a value that msgpack cannot
// hold, which is a mistake in the caller's code.
func (c *Chunk) Value(v any) *Chunk {
	var out []byte
	if c.enc == nil {
		c.enc = codec.NewEncoderBytes(&out, Handle())
	} else {
		c.enc.ResetBytes(&out)
	}
	if err := c.enc.Encode(v); err != nil {
		panic(fmt.Sprintf("decodetest: %T: %v", v, err))
	}
	c.buf = append(c.buf, out...)
	return c
}

// Raw appends bytes as they are.
func (c *Chunk) Raw(b ...byte) *Chunk {
	c.buf = append(c.buf, b...)
	return c
}

func (c *Chunk) time(t EventTime) {
	c.buf = append(c.buf, 0xd7, 0)
	c.buf = binary.BigEndian.AppendUint32(c.buf, t.Sec)
	c.buf = binary.BigEndian.AppendUint32(c.buf, t.Nsec)
}

// Bytes are the chunk's bytes so far, not copied; they stay valid and
// unchanged when more is appended.
func (c *Chunk) Bytes() []byte { return c.buf }
