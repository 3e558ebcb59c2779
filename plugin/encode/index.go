package encode

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/decode"
)

// Indices that take what has no place in the configured ones.
const (
	// OutOfRange takes records whose time is too old or in the future: a
	// clock that is wrong would otherwise make an index a day.
	OutOfRange = "seclog-out-of-range"
	// Fallback takes records without the fields that the index is named by,
	// and all beyond Index_Max names.
	Fallback = "seclog-fallback"
)

const (
	maxAhead     = 24 * 60 * 60 // seconds that a record may be ahead of the clock
	maxIndexName = 255          // bytes; OpenSearch's own limit
	maxValue     = 100          // bytes that a field may put into a name
)

// Index names the index of a record. Values are cleaned and stand behind fixed
// text, so no record can choose an index outside the pattern.
//
// Concurrency: safe for concurrent use.
type Index struct {
	parts     []config.IndexPart
	timed     bool
	accessors bool
	maxAge    int64 // seconds
	max       int

	mu    sync.Mutex
	day   int64               // days since 1970 of the first attempts that names counts
	names map[string]struct{} // names with values in them that were given that day
}

// NewIndex makes an Index. maxAge bounds how old a record may be when its
// chunk is first sent; limit bounds the names with values in them per day.
func NewIndex(p *config.IndexPattern, maxAge time.Duration, limit int) *Index {
	x := &Index{parts: p.Parts, maxAge: int64(maxAge / time.Second), max: limit, names: map[string]struct{}{}}
	for _, part := range p.Parts {
		x.timed = x.timed || part.Time != ""
		x.accessors = x.accessors || part.Accessor != nil
	}
	return x
}

// indexCache is what an encoder remembers of the last name.
type indexCache struct {
	minute int64
	name   string
	buf    []byte
	given  map[string]string
	times  map[string]string // by directive, of minute
}

func (x *Index) name(e *Encoder, rec *decode.Record, first int64) string {
	if x.timed && (rec.Sec < first-x.maxAge || rec.Sec > first+maxAhead) {
		return OutOfRange
	}
	c := &e.index
	minute := rec.Sec / 60
	if c.times == nil || c.minute != minute {
		c.minute, c.name = minute, ""
		c.times = x.times(rec.Sec)
	}
	if !x.accessors {
		if c.name == "" {
			c.buf = c.buf[:0]
			for _, p := range x.parts {
				c.buf = append(append(c.buf, p.Literal...), c.times[p.Time]...)
			}
			c.name = string(c.buf)
		}
		return c.name
	}
	c.buf = c.buf[:0]
	for _, p := range x.parts {
		if p.Accessor == nil {
			c.buf = append(append(c.buf, p.Literal...), c.times[p.Time]...)
			continue
		}
		value, ok := e.lookup(rec, p.Accessor)
		if !ok {
			return Fallback
		}
		c.buf = appendClean(c.buf, value)
	}
	if len(c.buf) > maxIndexName {
		return Fallback
	}
	if name, ok := c.given[string(c.buf)]; ok {
		return name
	}
	name := string(c.buf)
	if !x.take(name, first) {
		return Fallback
	}
	if c.given == nil || len(c.given) > x.max {
		c.given = map[string]string{}
	}
	c.given[name] = name
	return name
}

// take counts a name; false means that it would be one too many for the day.
func (x *Index) take(name string, first int64) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if day := first / 86400; day > x.day {
		x.day = day
		clear(x.names)
	}
	if _, ok := x.names[name]; !ok && len(x.names) >= x.max {
		return false
	}
	x.names[name] = struct{}{}
	return true
}

// times are the strftime directives of the pattern, rendered.
func (x *Index) times(sec int64) map[string]string {
	m := map[string]string{"": ""}
	t := time.Unix(sec, 0).UTC()
	year, week := t.ISOWeek()
	for _, p := range x.parts {
		switch p.Time {
		case "%Y":
			m[p.Time] = t.Format("2006")
		case "%y":
			m[p.Time] = t.Format("06")
		case "%m":
			m[p.Time] = t.Format("01")
		case "%d":
			m[p.Time] = t.Format("02")
		case "%H":
			m[p.Time] = t.Format("15")
		case "%M":
			m[p.Time] = t.Format("04")
		case "%j":
			m[p.Time] = t.Format("002")
		case "%G":
			m[p.Time] = strconv.Itoa(year)
		case "%V":
			m[p.Time] = string(append2(nil, week, 0)[:2])
		case "%u":
			m[p.Time] = strconv.Itoa((int(t.Weekday())+6)%7 + 1)
		}
	}
	return m
}

// lookup is the text of a field with its edits. False where there is no text.
func (e *Encoder) lookup(rec *decode.Record, path []string) ([]byte, bool) {
	node, ok := e.locate(rec, path)
	if !ok {
		return nil, false
	}
	n := &rec.Nodes[node]
	if n.Kind != decode.Str {
		return e.value(nil, rec, node), true
	}
	b := e.applied(rec.Text(n), node, false)
	return b, len(b) > 0
}

// locate is the node of a field that holds text or a whole number and is not cut
// whole; a key with dots in it that equals the rest of the path counts too.
func (e *Encoder) locate(rec *decode.Record, path []string) (int32, bool) {
	for i := range rec.Fields {
		if node, ok := e.locateNode(rec, rec.Fields[i].Node, path); ok {
			return node, true
		}
	}
	return 0, false
}

func (e *Encoder) locateNode(rec *decode.Record, node int32, path []string) (int32, bool) {
	n := &rec.Nodes[node]
	key := rec.Key(n)
	if string(key) == path[0] && len(path) > 1 && n.Kind == decode.Map {
		for j := node + 1; j < n.End; j = rec.Nodes[j].End {
			if found, ok := e.locateNode(rec, j, path[1:]); ok {
				return found, true
			}
		}
		return 0, false
	}
	if string(key) != path[0] && (len(path) == 1 || string(key) != strings.Join(path, ".")) {
		return 0, false
	}
	if len(path) > 1 && string(key) == path[0] {
		return 0, false
	}
	text := n.Kind == decode.Str && n.Text.Len > 0
	return node, e.whole(node) == nil && (text || n.Kind == decode.Int || n.Kind == decode.Uint)
}

// appendClean appends a value with what OpenSearch takes in an index name:
// lower case, digits, dot, dash, underscore.
func appendClean(dst, value []byte) []byte {
	if len(value) > maxValue {
		value = value[:maxValue]
	}
	for _, c := range value {
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
		default:
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}
