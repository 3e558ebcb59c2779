package path

import (
	"fmt"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/encode"
	"github.com/seclog/seclog/test/data"
)

// placed is a chunk of records that say where in their file they stood.
func placed() []byte {
	c := new(decodetest.Chunk)
	offset := 0
	for i := range records {
		line := fmt.Sprintf("2026-11-23 20:11:%02d.%03d  INFO 1 --- [nio-8080-exec-%d] c.e.shop.order.OrderService : order %d accepted, items=%d total=%d.%02d EUR", i%60, i%1000, i%9, i, i%9, i%500, i%100)
		c.Record(decodetest.Time(data.Start().Add(time.Duration(i)*time.Millisecond)), decodetest.Map{
			"stream", "stdout", "_p", "F", "log", line,
			"log_path", "/var/log/containers/web-6d4cf56db6-abcde_shop_web-0123456789abcdef.log", "log_offset", offset,
		})
		offset += len(line) + 1
	}
	return c.Bytes()
}

// BenchmarkOnce measures what it costs the node that nothing arrives twice: the chunk's fingerprint, an id for each
// record, and the ledger's notes. The records are decoded both with and without that, in turns, since reading them costs
// more than it does.
func BenchmarkOnce(b *testing.B) {
	chunk := placed()
	ids, err := encode.NewIDs([32]byte{1}, "node-1")
	if err != nil {
		b.Fatal(err)
	}
	ledger := deliver.NewLedger(10<<20, nil)
	positions := ids.NewPositions("log_path", "log_offset", []string{"log", "message"})
	var r decode.Reader
	var rec decode.Record
	walk := func(each func()) time.Duration {
		began := time.Now()
		for r.Reset(chunk); ; each() {
			if ok, err := r.Next(&rec); err != nil {
				b.Fatal(err)
			} else if !ok {
				return time.Since(began)
			}
		}
	}
	for _, by := range []string{"position", "chunk"} {
		b.Run(by, func(b *testing.B) {
			least := [2]time.Duration{time.Hour, time.Hour}
			var id [encode.IDSize]byte
			for b.Loop() {
				least[0] = min(least[0], walk(func() {}))
				began := time.Now()
				print := ids.Fingerprint("kube.bench", chunk)
				n, entry := ledger.Claim(print)
				inChunk := ids.Chunk(print, n, data.Start().Unix())
				positions.Begin("kube.bench")
				before := time.Since(began)
				took := walk(func() {
					if by == "chunk" || !positions.Write(&id, &rec) {
						inChunk.Write(&id, rec.Place)
					}
					if place := int32(rec.Place); !entry.Has(place) {
						entry.Done(place)
					}
				})
				began = time.Now()
				entry.Finish(true)
				least[1] = min(least[1], took+before+time.Since(began))
			}
			b.ReportMetric(float64((least[1]-least[0]).Nanoseconds())/records, "ns/record")
		})
	}
}
