package plugin

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seclog/seclog/plugin/decode/decodetest"
)

// A killed agent reads lines again and cuts them into other chunks. Each is
// stored once where records say where their lines stood, and records without a
// position beside them are all there.
func TestFlush_LinesReadAgain(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 11))
		s := &store{}
		const n = 500
		body := func(i int) rec {
			b := rec{"log", "equal lines", "log_path", fmt.Sprint("/var/log/", i%3), "log_offset", i / 3 * 12}
			if i%50 == 7 {
				b = append(b, "password", "hunter2") // redaction does not move an id
			}
			return b
		}
		send := func(in *Instance, from, to int) {
			for from < to {
				c := new(decodetest.Chunk)
				for end := min(to, from+1+r.IntN(60)); from < end; from++ {
					c.Record(decodetest.EventTime{Sec: when.Sec + uint32(from/100)}, body(from))
				}
				if in.Flush(context.Background(), "kube.a", c.Bytes()) != OK {
					t.Fatal("not delivered")
				}
			}
		}
		first, _ := instance(t, s)
		send(first, 0, 100+r.IntN(400))
		second, _ := instance(t, s) // without the first one's ledger
		send(second, 0, n)
		if len(s.docs) != n {
			t.Fatalf("seed %d: %d documents, want %d", seed, len(s.docs), n)
		}
		// The same without positions is new each time.
		without := new(decodetest.Chunk).Record(when, rec{"log", "equal lines"}).Record(when, rec{"log", "equal lines"}).Bytes()
		for range 2 {
			if second.Flush(context.Background(), "kube.a", without) != OK {
				t.Fatal("not delivered")
			}
		}
		if len(s.docs) != n+4 {
			t.Fatalf("seed %d: %d documents, want %d", seed, len(s.docs), n+4)
		}
	}
}
