package redact

import (
	"bytes"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/scan"
)

// pemEnd gives where a private key ends whose header ends at i: behind its
// footer, or where what can be part of its body ends. A body may be written
// with \n for its line ends, at any depth of escapes.
func pemEnd(text []byte, i int) int {
	for i < len(text) {
		switch c := text[i]; {
		case isAlnum(c), c == '+', c == '/', c == '=', isBlank(c), c == '\\', c == ':', c == ',':
			i++
		case c == '-':
			if rest := text[i:]; bytes.HasPrefix(rest, []byte("-----END ")) {
				if n := bytes.Index(rest[9:min(len(rest), 80)], []byte("-----")); n >= 0 {
					return i + 9 + n + 5
				}
				return len(text)
			}
			i++
		default:
			return trimEscapes(text, i)
		}
	}
	return i
}

// trimEscapes leaves the backslashes before a quote to the quote.
func trimEscapes(text []byte, i int) int {
	for i > 0 && text[i-1] == '\\' {
		i--
	}
	return i
}

// lines is what a worker remembers of keys and certificates whose lines come
// as records of their own: for each stream of the chunk, what its last header
// began.
type lines struct {
	src   *byte // the chunk
	place int   // the record at hand
	open  []opened
}

// opened is a header without its footer so far.
type opened struct {
	stream  uint64
	private bool
	left    int // records that may still belong to it
}

// Bounds of what is remembered.
const (
	maxOpen  = 256 // streams with an open header
	maxLines = 400 // records of one key; an RSA key of 16,384 bits has 200 lines
)

// Begin forgets keys whose lines were not all seen: a chunk begins. Redact
// does so by itself where it can see it.
func (e *Engine) Begin(st *State) { st.lines = lines{open: st.lines.open[:0], place: -1} }

// chunk notes which record is at hand, and begins a chunk where it sees one.
func (e *Engine) chunk(st *State, rec *decode.Record) {
	if len(rec.Src) == 0 {
		return
	}
	if st.lines.src != &rec.Src[0] || rec.Place <= st.lines.place {
		e.Begin(st)
		st.lines.src = &rec.Src[0]
	}
	st.lines.place = rec.Place
}

// streamKeys name the fields that tell streams of a chunk apart; time, offset
// and the text itself change from line to line.
var streamKeys = [...]string{
	"stream", "log_path", "path", "filename", "file", "source", "container_id", "container_name",
	"pod_name", "pod_id", "docker_id", "namespace_name", "_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER", "_PID", "host", "hostname",
}

// stream is a number for the stream of a record and the field in it.
//
// Source: FNV-1a, 64 bits.
func stream(rec *decode.Record, field *decode.Node) uint64 {
	h := uint64(14695981039346656037)
	mix := func(b []byte) {
		for _, c := range b {
			h = (h ^ uint64(c)) * 1099511628211
		}
		h *= 1099511628211
	}
	mix(rec.Key(field))
	for _, f := range rec.Fields {
		top := &rec.Nodes[f.Node]
		if top.Kind == decode.Map && string(rec.Key(top)) != "kubernetes" {
			continue
		}
		for i := f.Node; i < top.End; i++ {
			n := &rec.Nodes[i]
			if n.Kind != decode.Str || n.Depth > 2 {
				continue
			}
			for k := range streamKeys {
				if string(rec.Key(n)) == streamKeys[k] {
					mix(rec.Text(n))
				}
			}
		}
	}
	return h
}

// frames follows headers and footers of PEM in a text, so that lines between
// them are known for what they are.
func (e *Engine) frames(st *State, rec *decode.Record, f *scan.Found, text []byte) {
	last, private := scan.NoID, false
	for _, h := range f.Hits {
		switch h.ID {
		case e.begin:
			rest := text[h.End:min(len(text), int(h.End)+64)]
			n := bytes.Index(rest, []byte("-----"))
			if n < 0 {
				n = len(rest)
			}
			last, private = h.ID, bytes.Contains(rest[:n], []byte("PRIVATE"))
		case e.end:
			last = h.ID
		}
	}
	if last < 0 {
		return
	}
	s := stream(rec, &rec.Nodes[f.Node])
	open := st.lines.open[:0]
	for _, o := range st.lines.open {
		if o.stream != s {
			open = append(open, o)
		}
	}
	if last == e.begin && len(open) < maxOpen {
		open = append(open, opened{s, private, maxLines})
	}
	st.lines.open = open
}

// bodyLine cuts what a string holds of a private key's body, where the header
// stood in a record before it in its stream, or no header at all.
func (e *Engine) bodyLine(st *State, rec *decode.Record, node int32) {
	n := &rec.Nodes[node]
	text := rec.Text(n)
	run, plain := bodyRun(text)
	if run == 0 || !plain && run < 40 && !bytes.HasPrefix(text[run:], []byte("-----END ")) {
		return
	}
	private := false
	if len(st.lines.open) > 0 {
		s := stream(rec, n)
		for i := range st.lines.open {
			o := &st.lines.open[i]
			if o.stream != s || o.left <= 0 {
				continue
			}
			if o.left--; !o.private {
				return
			}
			private = true
		}
	}
	if !private && !(plain && looksBody(text[:run])) {
		return
	}
	r := &e.rules[e.pem]
	if r.action.action == DropRecord {
		st.edits.drop(e.pem)
		return
	}
	x := Edit{Node: node, Detector: e.pem, Action: r.action.action}
	if x.Whole = plain || x.Action == DropField; !x.Whole {
		x.End = int32(run)
	}
	x.Text = e.write(st, e.pem, text[:run])
	st.edits.List = append(st.edits.List, x)
}

// bodyRun gives how many bytes at the start of text can be base64 with line
// ends, and whether that is all of it.
func bodyRun(text []byte) (n int, all bool) {
	for n < len(text) {
		switch c := text[n]; {
		case isAlnum(c), c == '+', c == '/', c == '=', c == '\n', c == '\r':
			n++
		case c == '\\' && n+1 < len(text) && (text[n+1] == 'n' || text[n+1] == 'r'):
			n += 2
		default:
			return n, false
		}
	}
	return n, true
}

// looksBody says whether a line without header is as long as lines of PEM and
// OpenSSH keys are, and as random: no hexadecimal, no path, no name.
func looksBody(line []byte) bool {
	line = bytes.TrimRight(line, "\r\n")
	if n := len(line); n != 64 && n != 70 && n != 76 {
		return false
	}
	upper, low, digit := 0, 0, 0
	for _, c := range line {
		switch {
		case isUpper(c):
			upper++
		case isLower(c):
			low++
		case isDigit(c):
			digit++
		}
	}
	return upper >= 10 && low >= 10 && digit >= 2 && entropy(line) >= 4.6
}
