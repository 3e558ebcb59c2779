package sink

import (
	"encoding/json"
	"strconv"
	"strings"
)

// filter says which parts of an answer were asked for.
type filter struct {
	took, errors, items bool
	fields              field
}

// field is a set of the fields of an item.
type field uint16

const (
	fieldIndex field = 1 << iota
	fieldID
	fieldVersion
	fieldResult
	fieldShards
	fieldSeqNo
	fieldPrimaryTerm
	fieldStatus

	allFields = fieldStatus<<1 - 1
)

// parseFilter reads filter_path. A form that it does not know (an exclusion,
// a wildcard inside a name) gives the whole answer, which is never too little.
//
// Source: OpenSearch REST API, common parameters, filter_path.
func parseFilter(path string) filter {
	whole := filter{took: true, errors: true, items: true, fields: allFields}
	if path == "" {
		return whole
	}
	names := map[string]field{
		"_index": fieldIndex, "_id": fieldID, "_version": fieldVersion, "result": fieldResult,
		"_shards": fieldShards, "_seq_no": fieldSeqNo, "_primary_term": fieldPrimaryTerm, "status": fieldStatus,
	}
	var f filter
	for one := range strings.SplitSeq(path, ",") {
		parts := strings.Split(strings.TrimSpace(one), ".")
		switch {
		case len(parts) == 1 && parts[0] == "took":
			f.took = true
		case len(parts) == 1 && parts[0] == "errors":
			f.errors = true
		case parts[0] == "items" && (len(parts) < 3 || parts[2] == "*"):
			f.items, f.fields = true, allFields
		case parts[0] == "items" && parts[1] == "*" && parts[2] == "error":
			// Nothing is refused here, so no item has an error to show.
		case parts[0] == "items" && parts[1] == "*" && len(parts) == 3 && names[parts[2]] != 0:
			f.items, f.fields = true, f.fields|names[parts[2]]
		default:
			return whole
		}
	}
	return f
}

// appendItem appends an item of the answer and a comma.
func (f filter) appendItem(out []byte, a action, seqNo int64) []byte {
	out = append(out, `{"`...)
	out = append(out, a.op...)
	out = append(out, `":{`...)
	if f.fields&fieldIndex != 0 {
		out = append(out, `"_index":`...)
		out = append(appendString(out, a.index), ',')
	}
	if f.fields&fieldID != 0 {
		out = append(out, `"_id":`...)
		out = append(appendString(out, a.id), ',')
	}
	if f.fields&fieldVersion != 0 {
		out = append(out, `"_version":1,`...)
	}
	result, status := `"created"`, "201"
	switch string(a.op) {
	case "delete":
		result, status = `"deleted"`, "200"
	case "update":
		result, status = `"updated"`, "200"
	}
	if f.fields&fieldResult != 0 {
		out = append(append(append(out, `"result":`...), result...), ',')
	}
	if f.fields&fieldShards != 0 {
		out = append(out, `"_shards":{"total":2,"successful":1,"failed":0},`...)
	}
	if f.fields&fieldSeqNo != 0 {
		out = append(out, `"_seq_no":`...)
		out = append(strconv.AppendInt(out, seqNo, 10), ',')
	}
	if f.fields&fieldPrimaryTerm != 0 {
		out = append(out, `"_primary_term":1,`...)
	}
	if f.fields&fieldStatus != 0 {
		out = append(append(append(out, `"status":`...), status...), ',')
	}
	if out[len(out)-1] == ',' {
		out = out[:len(out)-1]
	}
	return append(out, "}},"...)
}

// appendString appends text as a JSON string.
func appendString(out, text []byte) []byte {
	for _, c := range text {
		if c < ' ' || c == '"' || c == '\\' || c >= 0x80 {
			quoted, err := json.Marshal(string(text))
			if err != nil {
				return append(out, `""`...)
			}
			return append(out, quoted...)
		}
	}
	out = append(out, '"')
	out = append(out, text...)
	return append(out, '"')
}
