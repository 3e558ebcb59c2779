package opensearch

import (
	"testing"

	"github.com/seclog/seclog/plugin/deliver"
)

func TestClassify(t *testing.T) {
	const (
		later, done, dead, blocked = deliver.Later, deliver.Delivered, deliver.Dead, deliver.Blocked
	)
	tests := []struct {
		it        itemAnswer
		want      deliver.Outcome
		duplicate bool
		throttled bool
		unclear   bool
	}{
		{it: itemAnswer{status: 200}, want: done},
		{it: itemAnswer{status: 201}, want: done},
		{it: itemAnswer{status: 201, typ: "mapper_parsing_exception"}, want: later},
		{it: itemAnswer{status: 202}, want: later},
		{it: itemAnswer{status: 409, typ: "version_conflict_engine_exception"}, want: done, duplicate: true},
		{it: itemAnswer{status: 409, typ: "other_exception"}, want: later},
		{it: itemAnswer{status: 429, typ: "es_rejected_execution_exception"}, want: later, throttled: true},
		{it: itemAnswer{status: 429, typ: "circuit_breaking_exception"}, want: later, throttled: true},
		{it: itemAnswer{status: 429, typ: "cluster_block_exception"}, want: blocked},
		{it: itemAnswer{status: 403, typ: "cluster_block_exception"}, want: blocked},
		{it: itemAnswer{status: 503, typ: "cluster_block_exception"}, want: later},
		{it: itemAnswer{status: 503, typ: "unavailable_shards_exception"}, want: later},
		{it: itemAnswer{status: 500}, want: later},
		{it: itemAnswer{status: 401, typ: "security_exception"}, want: blocked},
		{it: itemAnswer{status: 403, typ: "never_heard_of"}, want: blocked},
		{it: itemAnswer{status: 404, typ: "index_not_found_exception"}, want: blocked},
		{it: itemAnswer{status: 405}, want: blocked},
		{it: itemAnswer{status: 407}, want: blocked},
		{it: itemAnswer{status: 400, typ: "validation_exception"}, want: blocked},
		{it: itemAnswer{status: 400, typ: "index_closed_exception"}, want: blocked},
		{it: itemAnswer{status: 400, typ: "invalid_index_name_exception"}, want: blocked},
		{it: itemAnswer{status: 400, typ: illegalArgument, hint: hintIndex}, want: blocked},
		{it: itemAnswer{status: 400, typ: illegalArgument, hint: hintDocument}, want: dead},
		{it: itemAnswer{status: 400, typ: illegalArgument, cause: "max_bytes_length_exceeded_exception"}, want: dead},
		{it: itemAnswer{status: 400, typ: illegalArgument}, want: later, unclear: true},
		{it: itemAnswer{status: 400, typ: illegalArgument, cause: "strange_exception"}, want: later, unclear: true},
		{it: itemAnswer{status: 400, typ: "mapper_parsing_exception"}, want: dead},
		{it: itemAnswer{status: 400, typ: "document_parsing_exception"}, want: dead},
		{it: itemAnswer{status: 400, typ: "strict_dynamic_mapping_exception"}, want: dead},
		{it: itemAnswer{status: 400, typ: "parse_exception"}, want: dead},
		{it: itemAnswer{status: 400, typ: "routing_missing_exception"}, want: blocked},
		{it: itemAnswer{status: 413}, want: dead},
		{it: itemAnswer{status: 400, typ: "never_heard_of"}, want: later},
		{it: itemAnswer{status: 400}, want: later},
		{it: itemAnswer{status: 418, typ: "mapper_parsing_exception"}, want: later},
		{it: itemAnswer{status: 302}, want: later},
	}
	for _, tt := range tests {
		tt.it.create = true
		got, unclear := classify(&tt.it)
		if got.Outcome != tt.want || got.Duplicate != tt.duplicate || got.Throttled != tt.throttled || unclear != tt.unclear {
			t.Errorf("%+v: %v duplicate=%v throttled=%v unclear=%v, want %v %v %v %v", tt.it, got.Outcome, got.Duplicate, got.Throttled, unclear, tt.want, tt.duplicate, tt.throttled, tt.unclear)
		}
	}
	if got, _ := classify(&itemAnswer{status: 409, typ: "version_conflict_engine_exception"}); got.Outcome != later {
		t.Errorf("409 on index is %v, want later", got.Outcome)
	}
}

func TestWhole(t *testing.T) {
	tests := []struct {
		status int
		typ    string
		want   deliver.Verdict
	}{
		{401, "", deliver.Refused}, {403, "security_exception", deliver.Refused}, {404, "", deliver.Refused}, {405, "", deliver.Refused}, {407, "", deliver.Refused},
		{413, "", deliver.TooLarge}, {429, "", deliver.Throttled}, {429, "cluster_block_exception", deliver.Refused},
		{400, "json_e_o_f_exception", deliver.Malformed}, {400, illegalArgument, deliver.Malformed}, {400, "validation_exception", deliver.Refused},
		{400, "never_heard_of", deliver.NoAnswer}, {400, "", deliver.NoAnswer}, {408, "", deliver.NoAnswer}, {302, "", deliver.NoAnswer},
		{500, "", deliver.NoAnswer}, {503, "cluster_block_exception", deliver.NoAnswer}, {204, "", deliver.NoAnswer}, {418, "", deliver.NoAnswer},
	}
	for _, tt := range tests {
		if got := whole(tt.status, tt.typ); got != tt.want {
			t.Errorf("%d %q: verdict %d, want %d", tt.status, tt.typ, got, tt.want)
		}
	}
}
