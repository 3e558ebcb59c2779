package opensearch

import (
	"bytes"

	"github.com/seclog/seclog/plugin/deliver"
)

// unknownType stands for an error type that is missing or not a plain word.
const unknownType = "unknown"

// illegalArgument is the type under which the server reports documents that do
// not fit, and pipelines and shards that are not as they should be, alike.
const illegalArgument = "illegal_argument_exception"

// class says what an error type means, whatever index it is about.
type class uint8

const (
	classNone   class = iota
	classPoison       // with 400: this document can never be taken
	classAct          // somebody must act
)

// knownType is an error type that has a meaning of its own.
type knownType struct {
	name  string
	class class
}

// known are the error types with a meaning. Every other one is "not now".
var known = knownTypes(
	classPoison, "mapper_parsing_exception", "document_parsing_exception", "strict_dynamic_mapping_exception",
	classPoison, "parse_exception", "parsing_exception",
	classPoison, "number_format_exception", "max_bytes_length_exceeded_exception",
	classAct, "cluster_block_exception", "validation_exception", "index_closed_exception", "index_not_found_exception",
	classAct, "invalid_index_name_exception", "security_exception", "invalid_alias_name_exception",
	classAct, "routing_missing_exception", // of an index that requires what no document of ours has
	classNone, illegalArgument, "version_conflict_engine_exception", "es_rejected_execution_exception",
	classNone, "rejected_execution_exception", "circuit_breaking_exception", "unavailable_shards_exception",
	classNone, "json_e_o_f_exception", "json_parse_exception", "process_cluster_event_timeout_exception",
	classNone, "no_shard_available_action_exception", "timeout_exception", unknownType,
)

// knownTypes makes the table from a list of names, each group led by its class.
func knownTypes(list ...any) map[string]knownType {
	m := make(map[string]knownType, len(list))
	var c class
	for _, v := range list {
		switch v := v.(type) {
		case class:
			c = v
		case string:
			m[v] = knownType{v, c}
		}
	}
	return m
}

// hintOf looks at the beginning of a reason of illegal_argument_exception.
func hintOf(reason []byte) hint {
	for _, p := range [...]struct {
		prefix string
		hint   hint
	}{
		{"pipeline with id [", hintIndex},
		{"no write index is defined for alias [", hintIndex},
		{"only write ops with an op_type of create are allowed in data streams", hintIndex},
		{"number of documents in ", hintIndex}, // the shard holds as many as Lucene can count
		{"Number of documents in shard ", hintIndex},
		{"Limit of ", hintDocument},
		{"Document contains at least one immense term", hintDocument},
		{"mapper [", hintRace},
		{"object mapping ", hintDocument},
		{"can't merge ", hintRace},
		{"field name ", hintDocument},
		{"The provided expression [", hintDocument},
	} {
		if len(reason) >= len(p.prefix) && bytes.EqualFold(reason[:len(p.prefix)], []byte(p.prefix)) {
			return p.hint
		}
	}
	return noHint
}

// classify says what an item's answer means. ambiguous tells that it does not
// say so, or not for sure: it is "not now" until more is known.
func classify(it *itemAnswer) (item deliver.Item, ambiguous bool) {
	item = deliver.Item{Outcome: deliver.Later, Status: uint16(it.status), Type: it.typ}
	kind := known[it.typ].class
	switch s := it.status; {
	case s == 200 || s == 201:
		if it.typ == "" {
			item.Outcome = deliver.Delivered
		}
	case s == 409:
		if it.create && it.typ == "version_conflict_engine_exception" {
			item.Outcome, item.Duplicate = deliver.Delivered, true
		}
	case s == 401 || s == 403 || s == 404 || s == 405 || s == 407:
		item.Outcome = deliver.Blocked
	case s == 413:
		item.Outcome = deliver.Dead
	case s == 429:
		if kind == classAct {
			item.Outcome = deliver.Blocked
		} else {
			item.Throttled = true
		}
	case s == 400:
		switch {
		case kind == classAct:
			item.Outcome = deliver.Blocked
		case kind == classPoison:
			item.Outcome = deliver.Dead
		case it.typ == illegalArgument && it.hint == hintIndex:
			item.Outcome = deliver.Blocked
		case it.typ == illegalArgument && (it.hint == hintDocument || known[it.cause].class == classPoison):
			item.Outcome = deliver.Dead
		case it.typ == illegalArgument:
			return item, true
		}
	}
	return item, false
}

// whole says what the answer to a request means when it has no items.
func whole(status int, typ string) deliver.Verdict {
	switch status {
	case 401, 403, 404, 405, 407:
		return deliver.Refused
	case 413:
		return deliver.TooLarge
	case 429:
		if known[typ].class == classAct {
			return deliver.Refused
		}
		return deliver.Throttled
	case 400:
		switch typ {
		case "json_e_o_f_exception", "json_parse_exception", "x_content_parse_exception", illegalArgument:
			return deliver.Malformed
		}
		if known[typ].class == classAct {
			return deliver.Refused
		}
	}
	return deliver.NoAnswer
}
