package sink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"time"
)

// action is one action line. Its bytes lie in the body, or are a copy.
type action struct {
	op, index, id []byte
}

// take goes through a bulk body and writes the answer. The answer is b's and
// valid until b is used again.
//
// Source: OpenSearch REST API, Bulk.
func (s *Sink) take(b *buffers, body []byte, index string, f filter, began time.Time) ([]byte, Counts, error) {
	b.hashes = b.hashes[:0]
	var c Counts
	if len(body) == 0 {
		return nil, c, errors.New("request body is required")
	}
	if body[len(body)-1] != '\n' {
		return nil, c, errors.New(`the bulk request must be terminated by a newline [\n]`)
	}
	out := append(b.answer[:0], '{')
	if f.took {
		out = append(out, `"took":`...)
		out = strconv.AppendInt(out, time.Since(began).Milliseconds(), 10)
		out = append(out, ',')
	}
	if f.errors {
		out = append(out, `"errors":false,`...)
	}
	if f.items {
		out = append(out, `"items":[`...)
	}
	for line := 1; len(body) > 0; line++ {
		var text []byte
		text, body = cutLine(body)
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		a, err := parseAction(text)
		if err != nil {
			return nil, c, fmt.Errorf("malformed action/metadata line [%d]: %w", line, err)
		}
		if len(a.index) == 0 {
			if index == "" {
				return nil, c, fmt.Errorf("validation failed: line %d: index is missing", line)
			}
			a.index = []byte(index)
		}
		if string(a.op) != "delete" {
			if len(body) == 0 {
				return nil, c, fmt.Errorf("malformed action/metadata line [%d]: no document follows", line)
			}
			text, body = cutLine(body)
			line++
			if len(text) < 2 || text[0] != '{' {
				return nil, c, fmt.Errorf("line %d: a document is an object", line)
			}
			c.Documents++
		}
		seqNo := s.seqNo.Add(1) - 1
		switch {
		case len(a.id) == 0:
			c.NoID++
			a.id = fmt.Appendf(nil, "sink%016x", seqNo)
		case s.options.DistinctIDs && string(a.op) != "delete":
			b.hashes = append(b.hashes, maphash.Bytes(s.seed, a.id))
		}
		if f.items {
			out = f.appendItem(out, a, seqNo)
		}
	}
	out = bytes.TrimSuffix(out, []byte{','})
	if f.items {
		out = append(out, ']')
	}
	out = append(out, '}')
	b.answer = out
	return out, c, nil
}

func cutLine(body []byte) (line, rest []byte) {
	i := bytes.IndexByte(body, '\n')
	if i < 0 {
		return body, nil
	}
	return body[:i], body[i+1:]
}

// parseAction reads {"create":{"_index":"x","_id":"y"}}. The way that senders
// write it is read by its marks alone; anything else goes through a decoder.
func parseAction(line []byte) (action, error) {
	if a, ok := scanAction(line); ok {
		return a, nil
	}
	var whole map[string]struct {
		Index string `json:"_index"`
		ID    string `json:"_id"`
	}
	if err := json.Unmarshal(line, &whole); err != nil {
		return action{}, err
	}
	if len(whole) != 1 {
		return action{}, fmt.Errorf("expected one action, found %d", len(whole))
	}
	for op, m := range whole {
		switch op {
		case "index", "create", "update", "delete":
			return action{op: []byte(op), index: []byte(m.Index), id: []byte(m.ID)}, nil
		default:
			return action{}, fmt.Errorf("expected create, index, update or delete, found %q", op)
		}
	}
	return action{}, nil
}

// scanAction reads an action line without spaces, escapes or fields that it
// does not know; ok is false where it is not sure.
func scanAction(line []byte) (a action, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"`))
	if !ok {
		return a, false
	}
	if a.op, rest, ok = bytes.Cut(rest, []byte(`":{`)); !ok {
		return a, false
	}
	switch string(a.op) {
	case "index", "create", "update", "delete":
	default:
		return a, false
	}
	for !bytes.Equal(rest, []byte("}}")) {
		var name, value []byte
		if rest, ok = bytes.CutPrefix(rest, []byte{'"'}); !ok {
			return a, false
		}
		if name, rest, ok = bytes.Cut(rest, []byte(`":"`)); !ok {
			return a, false
		}
		if value, rest, ok = bytes.Cut(rest, []byte{'"'}); !ok || bytes.IndexByte(value, '\\') >= 0 {
			return a, false
		}
		switch string(name) {
		case "_index":
			a.index = value
		case "_id":
			a.id = value
		case "_type", "routing", "pipeline":
		default:
			return a, false
		}
		if trimmed, more := bytes.CutPrefix(rest, []byte{','}); more {
			if bytes.Equal(trimmed, []byte("}}")) {
				return a, false
			}
			rest = trimmed
		} else if !bytes.Equal(rest, []byte("}}")) {
			return a, false
		}
	}
	return a, true
}
