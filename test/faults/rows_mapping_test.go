package faults

import (
	"strings"
	"time"

	"github.com/seclog/seclog/plugin/decode/decodetest"
)

// rowsMapping are records that their index can never take.
func rowsMapping() []row {
	return []row{
		{16, "mapping conflict, strict, field limit, immense term, depth 21", ofRecords, poison},
		{18, "100 % poison, as of a broken template", ofServer, allPoison},
	}
}

// poisoned makes chunks of ten records with one among them whose field when is no date.
func (p *play) poisoned(chunks, every int) (list []chunk) {
	for i := range chunks {
		list = append(list, p.mixed(every, i%2 == 0, rec{"when", content + " is no date"}))
	}
	return list
}

// mixed makes one chunk of so many records, of which the last has more fields.
func (p *play) mixed(records int, place bool, more rec) chunk {
	c, at := new(decodetest.Chunk), decodetest.Time(time.Now().Add(-time.Minute))
	for i := range records {
		r := body(p.sent, place)
		if i == records-1 {
			r = append(r, more...)
		}
		c.Record(at, r)
		p.sent++
	}
	return chunk{"kube.app", c.Bytes()}
}

// wantLetters fails unless there are so many dead letters, each with one of the types.
func (p *play) wantLetters(n int, types ...string) {
	p.t.Helper()
	list := p.letters()
	if len(list) != n {
		p.t.Errorf("%d dead letters, want %d", len(list), n)
	}
	for _, l := range list {
		if !strings.Contains(strings.Join(types, " "), l.Error) {
			p.t.Errorf("a dead letter of type %q, want one of %v", l.Error, types)
		}
	}
}

// poison has one record in twenty that its index can never take, for five reasons: exactly those are dead letters.
func poison(p *play) {
	p.put(p.index, `{"settings":{"index.mapping.total_fields.limit":20},"mappings":{"properties":{"when":{"type":"date"},
		"closed":{"type":"object","dynamic":"strict"},"whole":{"type":"keyword"}}}}`)
	deep := any(1)
	for range 21 {
		deep = rec{"d", deep}
	}
	var wide rec
	for i := range 30 {
		wide = append(wide, content+string(rune('a'+i%26))+string(rune('a'+i/26)), i)
	}
	a := p.agent()
	for _, bad := range []rec{
		{"when", content}, {"closed", rec{content, 1}}, {"wide", wide}, {"whole", strings.Repeat(content, 4000)}, {"deep", deep},
	} {
		a.send(p.mixed(20, true, bad), p.mixed(20, false, bad))
	}
	a.drain(2 * schedulerCap)
	p.wantLetters(10, "mapper_parsing_exception", "strict_dynamic_mapping_exception", "illegal_argument_exception", "document_parsing_exception", "max_bytes_length_exceeded_exception")
}

// allPoison has an index whose template takes nothing: all is held, one line a minute tells it, and once the index is
// mended all arrives.
func allPoison(p *play) {
	p.put(p.index, `{"mappings":{"properties":{"log":{"type":"date"}}}}`)
	a := p.agent("Hold_Max", "0")
	a.send(p.chunks(2, 200)...)
	p.until("the flushes have failed twice", func() bool { return a.retries.Load() >= 4 })
	if a.left() != 2 || len(p.letters()) > 0 {
		p.t.Errorf("%d chunks are left and %d dead letters written, want 2 and none", a.left(), len(p.letters()))
	}
	for minute := 1; minute <= 3; minute++ {
		before := a.retries.Load()
		p.until("two more flushes failed", func() bool { return a.retries.Load() >= before+2 })
		if n := len(p.lines("broken template")); n != minute {
			p.t.Errorf("%d lines in %d minutes", n, minute)
		}
		if minute < 3 {
			p.ahead(time.Minute + time.Second)
		}
	}
	p.do("DELETE", "/"+p.index, nil)
	p.put(p.index, `{"mappings":{"properties":{"log":{"type":"text"}}}}`)
	p.ended()
}
