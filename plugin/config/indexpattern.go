package config

import (
	"errors"
	"fmt"
	"strings"
)

// IndexPattern is a parsed index name: what stands fixed, what comes from the
// record's time and what comes from the record's fields.
//
// Concurrency: never changed once parsed, so safe for concurrent use.
type IndexPattern struct {
	Source string      // the pattern as it was written
	Parts  []IndexPart // in order; the first is never an accessor, no two literals follow each other
}

// IndexPart is one part of an index name; exactly one of its fields is set.
type IndexPart struct {
	Literal  string   // written as it is
	Time     string   // one strftime directive, such as "%Y", of the record's time in UTC
	Accessor []string // the path of a field, such as kubernetes, namespace_name
}

// timeDirectives are the strftime directives that have one meaning in every
// locale and are at home in an index name.
const timeDirectives = "YymdHMjGVu"

// maxIndexName is how many bytes OpenSearch allows in an index name.
const maxIndexName = 255

// ParseIndexPattern reads an index name with strftime directives and field
// accessors such as $kubernetes['namespace_name'].
//
// Errors: it says what is wrong and where; what would be no index name in
// OpenSearch is refused, as is an accessor at the start, where a value could
// choose any index.
func ParseIndexPattern(source string) (*IndexPattern, error) {
	p := &IndexPattern{Source: source}
	var lit strings.Builder
	literalLen := 0
	flush := func() {
		if lit.Len() > 0 {
			p.Parts = append(p.Parts, IndexPart{Literal: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(source); {
		switch c := source[i]; {
		case c == '%':
			if i+1 == len(source) {
				return nil, errors.New("a % at the end: allowed is %% or a directive of strftime")
			}
			d := source[i+1]
			i += 2
			if d == '%' {
				lit.WriteByte('%')
				literalLen++
				continue
			}
			if strings.IndexByte(timeDirectives, d) < 0 {
				return nil, fmt.Errorf("%q is not supported: allowed are %%Y %%y %%m %%d %%H %%M %%j %%G %%V %%u and %%%%", "%"+string(rune(d)))
			}
			flush()
			p.Parts = append(p.Parts, IndexPart{Time: "%" + string(rune(d))})
		case c == '$':
			path, n, err := parseAccessor(source[i:])
			if err != nil {
				return nil, err
			}
			i += n
			flush()
			if len(p.Parts) == 0 {
				return nil, errors.New("a field at the start could choose any index: begin with fixed text, such as seclog-" + source)
			}
			p.Parts = append(p.Parts, IndexPart{Accessor: path})
		default:
			if err := checkIndexByte(c, i == 0); err != nil {
				return nil, err
			}
			lit.WriteByte(c)
			literalLen++
			i++
		}
	}
	flush()
	switch {
	case len(p.Parts) == 0:
		return nil, errors.New("an index needs a name")
	case literalLen > maxIndexName:
		return nil, fmt.Errorf("longer than %d bytes", maxIndexName)
	case source == "." || source == "..":
		return nil, errors.New("no index can be named so")
	}
	return p, nil
}

// Fixed says whether the name is the same for every record.
func (p *IndexPattern) Fixed() bool {
	return len(p.Parts) == 1 && p.Parts[0].Literal != ""
}

// Timed says whether the name depends on the record's time.
func (p *IndexPattern) Timed() bool {
	for _, part := range p.Parts {
		if part.Time != "" {
			return true
		}
	}
	return false
}

// Prefix gives the fixed text at the start; "" when a time stands there.
func (p *IndexPattern) Prefix() string { return p.Parts[0].Literal }

// String gives the pattern as it was written.
func (p *IndexPattern) String() string { return p.Source }

// checkIndexByte refuses what OpenSearch refuses in an index name.
// Source: OpenSearch, MetadataCreateIndexService.validateIndexOrAliasName.
func checkIndexByte(c byte, first bool) error {
	switch {
	case c >= 'A' && c <= 'Z':
		return errors.New("index names are lower case")
	case c == '<' || c == '>':
		return errors.New("date math with < and > is not supported: write strftime directives such as %Y.%m.%d")
	case c <= ' ' || c == 0x7f || strings.IndexByte(`\/*?"|,#:`, c) >= 0:
		return fmt.Errorf("%q cannot stand in an index name", string(rune(c)))
	case c >= 0x80:
		return errors.New("only ASCII is allowed in an index name")
	case first && strings.IndexByte("_-+", c) >= 0:
		return fmt.Errorf("an index name cannot begin with %q", string(rune(c)))
	}
	return nil
}

// parseAccessor reads $name['key']… at the start of s and gives its length.
func parseAccessor(s string) ([]string, int, error) {
	i := 1
	for i < len(s) && isNameByte(s[i]) {
		i++
	}
	if i == 1 {
		return nil, 0, errors.New("a $ needs a field after it, such as $kubernetes['namespace_name']")
	}
	path := []string{s[1:i]}
	for i < len(s) && s[i] == '[' {
		if i+1 == len(s) || s[i+1] != '\'' && s[i+1] != '"' {
			return nil, 0, errors.New("a [ needs a quoted key after it, such as $kubernetes['namespace_name']")
		}
		quote := s[i+1]
		end := strings.IndexByte(s[i+2:], quote)
		if end <= 0 || i+2+end+1 >= len(s) || s[i+2+end+1] != ']' {
			return nil, 0, errors.New("a key is not closed, as in $kubernetes['namespace_name']")
		}
		path = append(path, s[i+2:i+2+end])
		i += 2 + end + 2
	}
	if len(path) == 1 {
		if path[0] == "TAG" {
			return nil, 0, errors.New("$TAG is not supported: only fields of the record are")
		}
		if i+1 < len(s) && s[i] == '.' && isNameByte(s[i+1]) && (s[i+1] < '0' || s[i+1] > '9') {
			return nil, 0, fmt.Errorf("write a field inside another as $%s['…'], not with a dot", path[0])
		}
	}
	return path, i, nil
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
