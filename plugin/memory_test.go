package plugin

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/encode"
)

// heap is what is in use after everything else was collected.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Ten thousand chunks that wait, each with what was delivered of it, cost no
// more than the ledger may, in what it accounts for and in truth.
func TestMemory_TenThousandWaitingChunks(t *testing.T) {
	const chunks, records = 10_000, 5_000
	before := heap()
	l := deliver.NewLedger(maxLedger, nil)
	for i := range chunks {
		var key [16]byte
		binary.LittleEndian.PutUint64(key[:], uint64(i))
		_, e := l.Claim(key)
		for place := int32(i % 2); place < records; place += 2 {
			e.Done(place)
		}
		e.Finish(false)
	}
	accounted, used := l.Size(), heap()-before
	t.Logf("%d chunks of %d wait: %d bytes accounted, %d in use", l.Len(), chunks, accounted, used)
	if accounted > maxLedger || used > maxLedger*5/4 || l.Len() != chunks {
		t.Errorf("%d of %d chunks are known; %d bytes accounted, %d in use, allowed %d", l.Len(), chunks, accounted, used, maxLedger)
	}
	runtime.KeepAlive(l)
}

// Records that each name an index of their own make Index_Max of them; what
// is remembered of indexes stays within that.
func TestMemory_AnIndexARecord(t *testing.T) {
	s := &store{}
	in, _ := instance(t, s, "index", "app-$kubernetes['namespace_name']-%Y", "index_max", "50")
	before := 0
	const chunks, records = 20, 2_000
	for i := range chunks {
		c := new(decodetest.Chunk)
		for k := range records {
			c.Record(decodetest.EventTime{Sec: uint32(time.Now().Unix())}, rec{"log", fmt.Sprint(i, k), "kubernetes", rec{"namespace_name", fmt.Sprintf("team-%d-%d", i, k)}})
		}
		if got := in.Flush(t.Context(), "t", c.Bytes()); got != OK {
			t.Fatal(got)
		}
		if i == 1 {
			before = heap()
		}
	}
	names := map[string]int{}
	for key := range s.docs {
		name, _, _ := strings.Cut(key, "/")
		names[name]++
	}
	if len(names) != 51 || names[encode.Fallback] != chunks*records-50 {
		t.Errorf("%d names, %d documents in %s", len(names), names[encode.Fallback], encode.Fallback)
	}
	for name := range names {
		if name != encode.Fallback && !strings.HasPrefix(name, "app-team-") {
			t.Errorf("index %s", name)
		}
	}
	// The store keeps every document, some 300 bytes of each; the instance nothing.
	if grown := heap() - before; grown > chunks*records*1000 {
		t.Errorf("%d bytes more after %d records", grown, chunks*records)
	}
}
