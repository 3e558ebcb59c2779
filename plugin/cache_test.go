package plugin

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/test/data"
)

// What is remembered of the record before saves work and changes nothing: the
// documents are the same, byte for byte, when it is forgotten before each.
func TestFlush_RememberingChangesNothing(t *testing.T) {
	m, err := data.Load()
	if err != nil {
		t.Fatal(err)
	}
	var lines []data.Line
	for _, w := range m.Files {
		file, err := data.Read(w.Name)
		if err != nil {
			t.Fatal(err)
		}
		list, err := data.Lines(file)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, list...)
	}
	for _, keys := range [][]string{nil, {"Merge_Log", "On", "Replace_Dots", "On", "Index", "seclog-$kubernetes['namespace_name']-%Y.%m.%d"}, {"Redact", "Report", "Include_Tag_Key", "On"}} {
		keys = append(keys, "Retry_Timeout", "1m", "Index_Max_Age", "3650d")
		for seed := range uint64(3) {
			chunk := mixedChunk(rand.New(rand.NewPCG(seed, 9)), lines)
			want := documents(t, chunk, true, keys)
			got := documents(t, chunk, false, keys)
			if len(want) < 1500 {
				t.Fatalf("%d documents", len(want))
			}
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					t.Fatalf("%v, seed %d, document %d:\n%s\nforgetting:\n%s", keys, seed, i, at(got, i), at(want, i))
				}
			}
		}
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "none"
}

// documents are what becomes of a chunk, in order.
func documents(t *testing.T, chunk []byte, forgetting bool, keys []string) []string {
	t.Helper()
	s := &store{}
	in, _ := instance(t, s, keys...)
	f := &flush{in: in}
	if forgetting {
		in.fail = func(st stage, _ int) {
			if st == stageScan {
				f.skipped()
			}
		}
	}
	if r := f.run(context.Background(), "kube.mixed", chunk); r != OK {
		t.Fatal(r)
	}
	return slices.Clone(s.order)
}

// mixedChunk is records in runs of one shape, as containers write them, with
// fields that stay, come, go and change places.
func mixedChunk(r *rand.Rand, lines []data.Line) []byte {
	c := new(decodetest.Chunk)
	for range 200 {
		at := r.IntN(len(lines))
		pod := rec{"namespace_name", []string{"shop", "bank"}[r.IntN(2)], "pod_name", "web-0", "labels", rec{"app.kubernetes.io/name", "web", "app", "web"}}
		key := []string{"log", "message", "MESSAGE"}[r.IntN(3)]
		turn := r.IntN(4)
		for i := range 1 + r.IntN(20) {
			l := lines[(at+i)%len(lines)]
			b := rec{"time", l.Time.Format("2006-01-02T15:04:05.000000000Z07:00"), "stream", l.Stream, key, l.Log, "kubernetes", pod}
			switch turn {
			case 0:
				b = append(b, "password", "hunter2-"+l.Stream, "n", i/3)
			case 1:
				b = append(rec{"SYSLOG_IDENTIFIER", []string{"sshd", "sudo", "cron"}[i/7], "card", 4111111111111111}, b...)
			case 2:
				if i%5 == 4 {
					b = b[:4]
				}
				b = append(b, "event", "ours", "list", []any{i / 4, "x@example.net"})
			}
			if i%6 == 5 {
				b = rec{"SYSLOG_IDENTIFIER", "sshd", "MESSAGE", "Failed password for root from 203.0.113.66 port 51779 ssh2"}
			}
			c.Record(decodetest.Time(l.Time), b)
		}
	}
	return c.Bytes()
}
