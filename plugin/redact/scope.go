package redact

import (
	"bytes"
	"strings"

	"github.com/seclog/seclog/plugin/decode"
)

// scope is a field of the record and the values that a rule is for.
type scope struct {
	path   [][]byte
	values []string // * stands for any letters
}

// fits says whether the record has one of the values at the path. A key may
// itself hold the dots of the path.
func (s *scope) fits(rec *decode.Record) bool {
	for _, f := range rec.Fields {
		if s.at(rec, f.Node, s.path) {
			return true
		}
	}
	return false
}

func (s *scope) at(rec *decode.Record, node int32, path [][]byte) bool {
	n := &rec.Nodes[node]
	used := keyParts(rec.Key(n), path)
	if used == 0 {
		return false
	}
	if path = path[used:]; len(path) == 0 {
		if n.Kind != decode.Str {
			return false
		}
		v := string(rec.Text(n))
		for _, want := range s.values {
			if wild(want, v) {
				return true
			}
		}
		return false
	}
	if n.Kind != decode.Map {
		return false
	}
	for i := node + 1; i < n.End; i = rec.Nodes[i].End {
		if s.at(rec, i, path) {
			return true
		}
	}
	return false
}

// keyParts gives how many parts of the path the key is, 0 if it is not their
// beginning.
func keyParts(key []byte, path [][]byte) int {
	for i, p := range path {
		if !bytes.HasPrefix(key, p) {
			return 0
		}
		key = key[len(p):]
		if len(key) == 0 {
			return i + 1
		}
		if key[0] != '.' {
			return 0
		}
		key = key[1:]
	}
	return 0
}

// wild matches a pattern in which * stands for any letters.
func wild(pattern, v string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == v
	}
	if !strings.HasPrefix(v, parts[0]) {
		return false
	}
	v = v[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(v, p)
		if i < 0 {
			return false
		}
		v = v[i+len(p):]
	}
	return strings.HasSuffix(v, parts[len(parts)-1])
}
