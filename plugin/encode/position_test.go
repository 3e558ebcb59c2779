package encode_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/encode"
)

func testIDs(t testing.TB, node string) *encode.IDs {
	t.Helper()
	var key [32]byte
	for i := range key {
		key[i] = byte(i)
	}
	ids, err := encode.NewIDs(key, node)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// positioned gives the ids of a chunk's records, empty where they have no
// position.
func positioned(t testing.TB, ids *encode.IDs, tag string, chunk []byte) []string {
	t.Helper()
	p := ids.NewPositions("log_path", "log_offset", []string{"log", "message"})
	p.Begin(tag)
	var list []string
	var r decode.Reader
	var rec decode.Record
	r.Reset(chunk)
	for {
		ok, err := r.Next(&rec)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return list
		}
		var id [encode.IDSize]byte
		if p.Write(&id, &rec) {
			list = append(list, string(id[:]))
		} else {
			list = append(list, "")
		}
	}
}

// TestPositions_Golden freezes the ids: a change here repeats, at upgrade,
// every line that is read again.
func TestPositions_Golden(t *testing.T) {
	at := decodetest.EventTime{Sec: 1_795_464_660, Nsec: 123_456_789}
	type body = decodetest.Map
	for name, c := range map[string]struct {
		node, tag string
		body      body
		want      string
	}{
		"plain":           {"node-1", "kube.a", body{"log", "hello", "log_path", "/var/log/a.log", "log_offset", 4096}, "awSd1D1fsypCKXSdaEEV"},
		"offset as text":  {"node-1", "kube.a", body{"log", "hello", "log_path", "/var/log/a.log", "log_offset", "4096"}, "awSd1D1fsypCKXSdaEEV"},
		"more fields":     {"node-1", "kube.a", body{"kubernetes", body{"pod_name", "a"}, "log_offset", 4096, "log", "hello", "log_path", "/var/log/a.log"}, "awSd1D1fsypCKXSdaEEV"},
		"other node":      {"node-2", "kube.a", body{"log", "hello", "log_path", "/var/log/a.log", "log_offset", 4096}, ""},
		"other tag":       {"node-1", "kube.b", body{"log", "hello", "log_path", "/var/log/a.log", "log_offset", 4096}, ""},
		"other path":      {"node-1", "kube.a", body{"log", "hello", "log_path", "/var/log/b.log", "log_offset", 4096}, ""},
		"other offset":    {"node-1", "kube.a", body{"log", "hello", "log_path", "/var/log/a.log", "log_offset", 4097}, ""},
		"other text":      {"node-1", "kube.a", body{"log", "hallo", "log_path", "/var/log/a.log", "log_offset", 4096}, ""},
		"without a text":  {"node-1", "kube.a", body{"log_path", "/var/log/a.log", "log_offset", 4096}, ""},
		"an empty text":   {"node-1", "kube.a", body{"log", "", "log_path", "/var/log/a.log", "log_offset", 1 << 40}, ""},
		"in message only": {"node-1", "kube.a", body{"message", "hello", "log_path", "/var/log/a.log", "log_offset", 4098}, ""},
	} {
		got := positioned(t, testIDs(t, c.node), c.tag, new(decodetest.Chunk).Record(at, c.body).Bytes())[0]
		if c.want != "" && got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if c.want == "" && (len(got) != encode.IDSize || got == "awSd1D1fsypCKXSdaEEV") {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, b := range map[string]body{
		"no path": {"log", "x", "log_offset", 1}, "no offset": {"log", "x", "log_path", "/a"}, "empty path": {"log_path", "", "log_offset", 1},
		"negative": {"log_path", "/a", "log_offset", -1}, "no number": {"log_path", "/a", "log_offset", "1x"}, "a map": {"log_path", body{}, "log_offset", 1},
		"a float": {"log_path", "/a", "log_offset", 1.5}, "nothing": {},
	} {
		if got := positioned(t, testIDs(t, "n"), "t", new(decodetest.Chunk).Record(at, b).Bytes())[0]; got != "" {
			t.Errorf("%s has the id %q", name, got)
		}
	}
}

// Lines that are read again in other chunks have the ids that they had, equal
// lines and parts of one line are told apart, and no two ids are the same.
func TestPositions_WhateverTheChunks(t *testing.T) {
	type body = decodetest.Map
	ids := testIDs(t, "node-1")
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		var bodies []body
		offset := 0
		for len(bodies) < 300 {
			path := fmt.Sprintf("/var/log/%d.log", r.IntN(3))
			text := []string{"equal lines", fmt.Sprint("line ", len(bodies))}[r.IntN(2)]
			parts := 1 + r.IntN(8)/7*2 // some lines are split by a filter
			for range parts {
				b := body{"log", text, "log_path", path, "log_offset", offset}
				if r.IntN(3) == 0 {
					b = append(body{"stream", "stdout"}, b...)
				}
				bodies = append(bodies, b)
			}
			offset += 1 + len(text)
		}
		cut := func() []string {
			var all []string
			c := new(decodetest.Chunk)
			for i, b := range bodies {
				c.Record(decodetest.EventTime{Sec: uint32(1_795_464_660 + i/40)}, b)
				// A line's parts stay in one chunk.
				next := i + 1
				if next == len(bodies) || fmt.Sprint(bodies[next][len(bodies[next])-1]) != fmt.Sprint(b[len(b)-1]) && r.IntN(20) == 0 {
					all = append(all, positioned(t, ids, "kube.a", c.Bytes())...)
					c = new(decodetest.Chunk)
				}
			}
			return all
		}
		first, second := cut(), cut()
		seen := map[string]int{}
		for i := range first {
			if first[i] != second[i] {
				t.Fatalf("seed %d: record %d is %s and then %s", seed, i, first[i], second[i])
			}
			if at, ok := seen[first[i]]; ok {
				t.Fatalf("seed %d: records %d and %d are both %s", seed, at, i, first[i])
			}
			seen[first[i]] = i
		}
	}
}

func BenchmarkPositions(b *testing.B) {
	c := new(decodetest.Chunk)
	for i := range 1000 {
		c.Record(decodetest.EventTime{Sec: 1_795_464_660, Nsec: uint32(i)}, decodetest.Map{
			"log", fmt.Sprintf("%0150d", i), "log_path", "/var/log/containers/web-6d4cf56db6-abcde_shop_web-0123456789abcdef.log", "log_offset", i * 151,
		})
	}
	p := testIDs(b, "node-1").NewPositions("log_path", "log_offset", []string{"log", "message"})
	var r decode.Reader
	var rec decode.Record
	for _, with := range []bool{false, true} {
		b.Run(map[bool]string{false: "decode", true: "decode+position"}[with], func(b *testing.B) {
			var id [encode.IDSize]byte
			for b.Loop() {
				r.Reset(c.Bytes())
				p.Begin("kube.a")
				for {
					if ok, _ := r.Next(&rec); !ok {
						break
					}
					if with && !p.Write(&id, &rec) {
						b.Fatal("no position")
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
		})
	}
}
