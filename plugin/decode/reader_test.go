package decode_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ugorji/go/codec"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/decode/decodetest"
)

type rec = decodetest.Map

var when = decodetest.EventTime{Sec: 1_795_550_400, Nsec: 123_456_789}

// text writes a record as a readable line, which the cases below compare.
func text(r *decode.Record) string {
	var b strings.Builder
	for _, f := range r.Fields {
		if f.Same {
			b.WriteByte('=')
		}
		value(&b, r, r.Nodes, int(f.Node))
		b.WriteByte(' ')
	}
	for _, f := range r.Meta {
		b.WriteString("meta.")
		value(&b, r, r.Nodes, int(f.Node))
		b.WriteByte(' ')
	}
	for _, f := range r.Group {
		b.WriteString("group.")
		value(&b, r, r.Nodes, int(f.Node))
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String())
}

func value(b *strings.Builder, r *decode.Record, nodes []decode.Node, i int) {
	n := &nodes[i]
	switch n.KeyKind {
	case decode.Nil:
	case decode.Str, decode.Bin:
		b.Write(r.Key(n))
		b.WriteByte(':')
	default:
		b.WriteString("(" + string(r.Key(n)) + "):")
	}
	switch n.Kind {
	case decode.Str:
		b.WriteString("'" + string(r.Text(n)) + "'")
	case decode.Bin, decode.Ext:
		b.WriteString(map[decode.Kind]string{decode.Bin: "bin ", decode.Ext: "ext "}[n.Kind] + hex.EncodeToString(r.Text(n)))
	case decode.Map, decode.Array:
		b.WriteString(map[decode.Kind]string{decode.Map: "{", decode.Array: "["}[n.Kind])
		for j := i + 1; j < int(n.End); j = int(nodes[j].End) {
			value(b, r, nodes, j)
			b.WriteByte(',')
		}
		b.WriteString(map[decode.Kind]string{decode.Map: "}", decode.Array: "]"}[n.Kind])
	default:
		b.WriteString(hex.EncodeToString(r.Text(n)))
	}
}

func read(chunk []byte) (lines []string) {
	var r decode.Reader
	var rc decode.Record
	r.Reset(chunk)
	for {
		ok, err := r.Next(&rc)
		switch {
		case err != nil:
			lines = append(lines, "error: "+err.Error())
		case ok:
			lines = append(lines, text(&rc))
		}
		if !ok {
			return lines
		}
	}
}

func TestNext(t *testing.T) {
	deep := func(n int) any {
		v := any("x")
		for range n {
			v = rec{"a", v}
		}
		return v
	}
	for _, c := range []struct {
		name  string
		chunk *decodetest.Chunk
		want  []string
	}{
		{"empty", new(decodetest.Chunk), nil},
		{"new form", new(decodetest.Chunk).Record(when, rec{"log", "hello", "stream", "stdout"}), []string{"log:'hello' stream:'stdout'"}},
		{"old form", new(decodetest.Chunk).Old(1_700_000_000, rec{"log", "a"}).Old(1.5, rec{"log", "b"}).Old(when, rec{"log", "c"}), []string{"log:'a'", "log:'b'", "log:'c'"}},
		{"time of another kind", new(decodetest.Chunk).Old("noon", rec{"log", "a"}), []string{"log:'a'"}},
		{"same fields", new(decodetest.Chunk).Record(when, rec{"m", rec{"x", "1", "y", "2"}, "log", "a"}).Record(when, rec{"m", rec{"x", "1", "y", "2"}, "log", "b"}),
			[]string{"m:{x:'1',y:'2',} log:'a'", "=m:{x:'1',y:'2',} log:'b'"}},
		{"same after another length", new(decodetest.Chunk).Record(when, rec{"m", rec{"x", "1"}, "k", "v"}).Record(when, rec{"m", rec{"x", "1", "y", rec{}}, "k", "v"}),
			[]string{"m:{x:'1',} k:'v'", "m:{x:'1',y:{},} =k:'v'"}},
		{"metadata", new(decodetest.Chunk).Meta(when, rec{"otlp", rec{"severity_text", "INFO"}}, rec{"log", "a"}), []string{"log:'a' meta.otlp:{severity_text:'INFO',}"}},
		{"groups", new(decodetest.Chunk).GroupStart(rec{"service", "svc"}, rec{"name", "sc"}).Record(when, rec{"log", "a"}).GroupEnd().Record(when, rec{"log", "b"}),
			[]string{"log:'a' group.resource:{service:'svc',} group.scope:{name:'sc',}", "log:'b'"}},
		{"keys that are no strings", new(decodetest.Chunk).Record(when, rec{5, "five", []byte("b"), "bin"}), []string{"(5):'five' b:'bin'"}},
		{"bin and ext", new(decodetest.Chunk).Raw(0x92, 0x92).Raw(0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 0).Raw(0x80, 0x82, 0xa1, 'b', 0xc4, 2, 0xff, 0, 0xa1, 'e', 0xd4, 5, 7), []string{"b:bin ff00 e:ext 07"}},
		{"scalar in place of a record", new(decodetest.Chunk).Raw(0x05).Record(when, rec{"log", "a"}), []string{"error: record 0 at byte 0 (1 bytes): not a pair of time and body", "log:'a'"}},
		{"body no map", new(decodetest.Chunk).Record(when, "text").Record(when, rec{"log", "a"}), []string{"error: record 0 at byte 0 (18 bytes): its body is not a map", "log:'a'"}},
		{"64 levels", new(decodetest.Chunk).Record(when, rec{"a", deep(62)}), []string{"a:" + strings.Repeat("{a:", 62) + "'x'" + strings.Repeat(",}", 62)}},
		{"65 levels", new(decodetest.Chunk).Record(when, rec{"a", deep(64)}).Record(when, rec{"log", "a"}), []string{"error: record 0 at byte 0 (210 bytes): nested deeper than 64 levels", "log:'a'"}},
		{"truncated", new(decodetest.Chunk).Record(when, rec{"log", "a"}).Raw(0x92, 0x92, 0xd7), []string{"log:'a'", "error: record 1 at byte 20 (3 bytes): corrupt msgpack"}},
		{"claims 4 GiB of text", new(decodetest.Chunk).Raw(0x92, 0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 0x81, 0xa1, 'a', 0xdb, 0xff, 0xff, 0xff, 0xff), []string{"error: record 0 at byte 0 (21 bytes): corrupt msgpack"}},
		{"claims 4 Gi pairs", new(decodetest.Chunk).Raw(0x92, 0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 0xdf, 0xff, 0xff, 0xff, 0xff), []string{"error: record 0 at byte 0 (18 bytes): corrupt msgpack"}},
		{"never used byte", new(decodetest.Chunk).Raw(0xc1), []string{"error: record 0 at byte 0 (1 bytes): corrupt msgpack"}},
		{"100,000 levels", new(decodetest.Chunk).Raw(0x92, 0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 0x81, 0xa1, 'a').Raw(bytes.Repeat([]byte{0x91}, 100_000)...).Raw(0xc0).Record(when, rec{"log", "a"}),
			[]string{"error: record 0 at byte 0 (100017 bytes): nested deeper than 64 levels", "log:'a'"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, read(c.chunk.Bytes())); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestNext_Times(t *testing.T) {
	for _, c := range []struct {
		name string
		time any
		sec  int64
		nsec int32
	}{
		{"event time", when, 1_795_550_400, 123_456_789},
		{"nanoseconds that carry", decodetest.EventTime{Sec: 10, Nsec: 2_500_000_000}, 12, 500_000_000},
		{"integer", 1_700_000_000, 1_700_000_000, 0},
		{"float", 1_700_000_000.25, 1_700_000_000, 250_000_000},
		{"not a number", math.NaN(), 0, 0},
		{"infinite", math.Inf(1), 0, 0},
		{"year 0", int64(-62167219200), -62167219200, 0},
		{"before it", int64(-62167219201), 0, 0},
		{"before it, a float", -62167219200.5, 0, 0},
		{"minus infinite", math.Inf(-1), 0, 0},
		{"far future", uint64(math.MaxUint64), 0, 0},
		{"year 2106", decodetest.EventTime{Sec: math.MaxUint32, Nsec: 5}, math.MaxUint32, 5},
		{"text", "yesterday", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r decode.Reader
			var rc decode.Record
			r.Reset(new(decodetest.Chunk).Old(c.time, rec{"log", "x"}).Bytes())
			if ok, err := r.Next(&rc); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if rc.Sec != c.sec || rc.Nsec != c.nsec {
				t.Errorf("got %d.%09d, want %d.%09d", rc.Sec, rc.Nsec, c.sec, c.nsec)
			}
		})
	}
}

func TestNext_RecordMax(t *testing.T) {
	var r decode.Reader
	var rc decode.Record
	r.MaxRecord = 1000
	r.Reset(new(decodetest.Chunk).Record(when, rec{"log", strings.Repeat("x", 2000)}).Record(when, rec{"log", "a"}).Bytes())
	ok, err := r.Next(&rc)
	var e *decode.Error
	if !ok || !errors.As(err, &e) || e.Corrupt || int(rc.Raw.Len) < 2000 {
		t.Fatalf("got %v, %v, %d bytes", ok, err, rc.Raw.Len)
	}
	if ok, err = r.Next(&rc); !ok || err != nil || rc.Place != 1 {
		t.Fatalf("the record behind: %v, %v, place %d", ok, err, rc.Place)
	}
}

// A record that cannot be used still has its time, by which its dead letter is
// found; what is cut off has that of its beginning.
func TestNext_TimeOfTheUnusable(t *testing.T) {
	cut := new(decodetest.Chunk).Record(when, rec{"log", "cut off"}).Bytes()
	for name, chunk := range map[string][]byte{
		"too large":        new(decodetest.Chunk).Record(when, rec{"log", strings.Repeat("x", 2000)}).Bytes(),
		"body is a scalar": new(decodetest.Chunk).Record(when, 7).Bytes(),
		"old, a scalar":    new(decodetest.Chunk).Old(when, 7).Bytes(),
		"cut off":          cut[:len(cut)-3],
	} {
		var r decode.Reader
		rc := decode.Record{Sec: 1, Nsec: 2}
		r.MaxRecord = 1000
		r.Reset(chunk)
		if _, err := r.Next(&rc); err == nil || rc.Sec != int64(when.Sec) || rc.Nsec != int32(when.Nsec) {
			t.Errorf("%s: %v, %d.%09d", name, err, rc.Sec, rc.Nsec)
		}
	}
	var r decode.Reader
	rc := decode.Record{Sec: 1, Nsec: 2}
	r.Reset([]byte{0xc1, 0x92, 0x92})
	if _, err := r.Next(&rc); err == nil || rc.Sec != 0 || rc.Nsec != 0 {
		t.Errorf("no time: %v, %d.%09d", err, rc.Sec, rc.Nsec)
	}
}

// FuzzNext compares the reader with ugorji's decoder: what the one reads as a
// record the other reads too, with the same values in the same places.
func FuzzNext(f *testing.F) {
	f.Add(new(decodetest.Chunk).Record(when, rec{"log", "hello", "n", 5, "f", 1.5, "t", true, "z", nil, "a", []any{1, "x"}}).Bytes())
	f.Add(new(decodetest.Chunk).Record(when, rec{"a", "b"}).Record(when, rec{"a", "b", "c", rec{"d", "e"}}).Bytes())
	f.Add(new(decodetest.Chunk).GroupStart(rec{"a", "b"}, rec{}).Old(5, rec{"a", []byte{1}}).GroupEnd().Bytes())
	f.Add([]byte{0x92, 0x92, 0xd7})
	f.Fuzz(func(t *testing.T, chunk []byte) {
		var r decode.Reader
		var rc decode.Record
		r.Reset(chunk)
		h := decodetest.Handle()
		for {
			ok, err := r.Next(&rc)
			if !ok {
				return
			}
			raw := rc.Bytes(rc.Raw)
			dec := codec.NewDecoderBytes(raw, h)
			var whole codec.Raw
			if derr := dec.Decode(&whole); derr != nil || len(whole) != len(raw) {
				if err == nil && !strings.Contains(derr.Error(), "depth") {
					t.Fatalf("the oracle frames %d of %d bytes: %v\n%x", len(whole), len(raw), derr, raw)
				}
			}
			if err != nil {
				continue
			}
			for _, fl := range rc.Fields {
				check(t, h, &rc, rc.Nodes, int(fl.Node))
			}
		}
	})
}

// check compares one node and what is in it with the oracle's reading.
func check(t *testing.T, h *codec.MsgpackHandle, rc *decode.Record, nodes []decode.Node, i int) {
	n := &nodes[i]
	switch n.Kind {
	case decode.Map, decode.Array:
		count := 0
		for j := i + 1; j < int(n.End); j = int(nodes[j].End) {
			if nodes[j].Depth != n.Depth+1 {
				t.Fatalf("depth %d in depth %d", nodes[j].Depth, n.Depth)
			}
			check(t, h, rc, nodes, j)
			count++
		}
		if uint64(count) != n.Num {
			t.Fatalf("%d children, head says %d", count, n.Num)
		}
	case decode.Nil, decode.Bool, decode.Int, decode.Uint, decode.Float:
		var v any
		if err := codec.NewDecoderBytes(rc.Text(n), h).Decode(&v); err != nil {
			t.Fatal(err)
		}
		var got any
		switch n.Kind {
		case decode.Bool:
			got = n.Num == 1
		case decode.Int:
			got = int64(n.Num)
		case decode.Uint:
			got = n.Num
		case decode.Float:
			got = math.Float64frombits(n.Num)
		}
		switch want := v.(type) {
		case int64:
			v = want
			if n.Kind == decode.Uint {
				v = uint64(want)
			}
		case uint64:
			if n.Kind == decode.Int {
				v = int64(want)
			}
		case float64:
			if math.IsNaN(want) {
				if !math.IsNaN(got.(float64)) {
					t.Fatalf("got %v, the oracle NaN", got)
				}
				return
			}
		}
		if got != v {
			t.Fatalf("got %v (%T), the oracle %v (%T): %x", got, got, v, v, rc.Text(n))
		}
	}
}

func BenchmarkNext(b *testing.B) {
	c := new(decodetest.Chunk)
	for i := range 2000 {
		c.Record(decodetest.EventTime{Sec: uint32(1_795_550_400 + i/100), Nsec: uint32(i)}, rec{
			"time", "2026-11-23T20:11:00." + strings.Repeat("1", 9) + "Z", "stream", "stdout", "_p", "F",
			"log", strings.Repeat("a line of text ", 11) + string(rune('a'+i%26)),
			"cluster", "prod-eu-1", "node", "worker-17", "region", "eu-central-1",
		})
	}
	chunk := c.Bytes()
	b.Run("spans", func(b *testing.B) {
		var r decode.Reader
		var rc decode.Record
		b.SetBytes(int64(len(chunk)))
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			r.Reset(chunk)
			for {
				ok, err := r.Next(&rc)
				if err != nil {
					b.Fatal(err)
				}
				if !ok {
					break
				}
				n++
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
	})
	b.Run("ugorji-any", func(b *testing.B) {
		b.SetBytes(int64(len(chunk)))
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			dec := codec.NewDecoderBytes(chunk, decodetest.Handle())
			for dec.NumBytesRead() < len(chunk) {
				var v any
				if err := dec.Decode(&v); err != nil {
					b.Fatal(err)
				}
				n++
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
	})
}
