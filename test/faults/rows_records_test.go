package faults

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/seclog/seclog/plugin/decode/decodetest"
)

// rowsRecords are chunks that are strange or broken.
func rowsRecords() []row {
	return []row{
		{19, "100 MB record, 1-byte records, no record, only group markers", ofRecords, extremes},
		{20, "corrupt, truncated, deep, lengths of 4 G", ofRecords, corrupt},
		{38, "the same bytes in two chunks, two workers at once", ofRecords, sameBytes},
	}
}

// around puts something between two numbered records.
func (p *play) around(strange func(*decodetest.Chunk)) chunk {
	before, after := p.chunk(1, false), p.chunk(1, false)
	c := new(decodetest.Chunk).Raw(before.bytes...)
	strange(c)
	return chunk{before.tag, c.Raw(after.bytes...).Bytes()}
}

// extremes go through a process of its own, of which the memory is looked at.
func extremes(p *play) {
	ones := pick(2_000, 100_000)
	at := decodetest.EventTime{Sec: 1_795_464_660}
	h := p.host()
	for _, c := range []chunk{
		p.around(func(c *decodetest.Chunk) { c.Record(at, rec{"log", strings.Repeat("a", 100_000_000)}) }),
		p.around(func(c *decodetest.Chunk) { c.Raw(bytes.Repeat([]byte{1}, ones)...) }),
		p.around(func(c *decodetest.Chunk) { c.GroupStart(rec{}, rec{}).GroupEnd() }),
		{"kube.app", nil},
	} {
		p.must(h.Chunk(c.tag, c.bytes))
	}
	_, err := h.Drain(-1)
	p.must(err)
	peak := p.peak(h.Pid())
	last, err := h.Exit()
	p.must(err)
	if last.OK != 4 || last.Error+last.Pending+last.Modified > 0 {
		p.t.Errorf("%+v", last)
	}
	// The chunk itself is 100 MB, held and lent.
	if most := 500_000; peak > most {
		p.t.Errorf("at most %d kB of memory were used, want no more than %d", peak, most)
	}
	p.t.Logf("at most %d kB of memory were used; the longest flush took %d ms", peak, last.LongestMS)
	p.nameless = 1 + ones
}

// peak is the most memory that a process ever had, in kB.
func (p *play) peak(pid int) (kb int) {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	p.must(err)
	_, rest, found := strings.Cut(string(text), "VmHWM:")
	if !found {
		p.t.Fatal("the kernel does not say how much memory a process had")
	}
	_, err = fmt.Sscan(rest, &kb)
	p.must(err)
	return kb
}

// corrupt has bytes that are no records between records that are.
func corrupt(p *play) {
	event := []byte{0x92, 0x92, 0xd7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x80}
	deep := pick(100_000, 1_000_000)
	a := p.agent()
	a.send(
		p.around(func(c *decodetest.Chunk) { c.Raw(5) }),
		p.around(func(c *decodetest.Chunk) {
			c.Raw(event...).Raw(0x81, 0xa1, 'a').Raw(bytes.Repeat([]byte{0x91}, deep)...).Raw(0xc0)
		}),
	)
	for _, tail := range [][]byte{{0x92, 0x92}, append(event[:13:13], 0xdf, 0xff, 0xff, 0xff, 0xff), append(event[:13:13], 0x81, 0xa1, 'a', 0xdb, 0xff, 0xff, 0xff, 0xff, 'x')} {
		c := p.chunk(5, false)
		a.send(chunk{c.tag, append(bytes.Clone(c.bytes), tail...)})
	}
	p.nameless = 5
}

// sameBytes sends equal chunks, which are different ones where nothing says where their lines stood.
func sameBytes(p *play) {
	a := p.agent()
	p.copies = 2
	for range 10 {
		c := p.chunk(50, false)
		a.send(c, c)
	}
}
