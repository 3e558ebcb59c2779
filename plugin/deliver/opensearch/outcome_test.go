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

// Whatever a server says, only what the table names is delivered, dead or
// blocked; all else is sent again.
func TestClassify_NothingUnnamed(t *testing.T) {
	types := []string{"", "never_heard_of"}
	for typ := range known {
		types = append(types, typ)
	}
	for status := 100; status < 600; status++ {
		for _, typ := range types {
			for h := noHint; h <= hintRace; h++ {
				for _, create := range []bool{false, true} {
					it := itemAnswer{create: create, status: status, typ: typ, hint: h}
					got, unclear := classify(&it)
					class := known[typ].class
					want := deliver.Later
					switch {
					case status == 200 || status == 201:
						if typ == "" {
							want = deliver.Delivered
						}
					case status == 409 && create && typ == "version_conflict_engine_exception":
						want = deliver.Delivered
					case status == 413, status == 400 && (class == classPoison || typ == illegalArgument && h == hintDocument):
						want = deliver.Dead
					case status == 401, status == 403, status == 404, status == 405, status == 407,
						(status == 400 || status == 429) && class == classAct, status == 400 && typ == illegalArgument && h == hintIndex:
						want = deliver.Blocked
					}
					if got.Outcome != want || int(got.Status) != status || got.Type != typ {
						t.Fatalf("%+v: %+v, want %v", it, got, want)
					}
					if want := status == 400 && typ == illegalArgument && (h == noHint || h == hintRace); unclear != want {
						t.Fatalf("%+v: unclear %v, want %v", it, unclear, want)
					}
				}
			}
		}
	}
}

func TestWhole_NothingUnnamed(t *testing.T) {
	for status := 100; status < 600; status++ {
		switch status {
		case 400, 401, 403, 404, 405, 407, 413, 429:
			continue
		}
		for typ := range known {
			if got := whole(status, typ); got != deliver.NoAnswer {
				t.Errorf("%d %q: verdict %d", status, typ, got)
			}
		}
	}
}

// Reasons as OpenSearch 2.19.4 gives them.
func TestHintOf(t *testing.T) {
	for reason, want := range map[string]hint{
		"pipeline with id [nope] does not exist":                                               hintIndex,
		"no write index is defined for alias [al]. The write index may be explicitly disabled": hintIndex,
		"only write ops with an op_type of create are allowed in data streams":                 hintIndex,
		"number of documents in the index cannot exceed 2147483519":                            hintIndex,
		"Limit of total fields [3] has been exceeded":                                          hintDocument,
		"Limit of mapping depth [20] has been exceeded due to object field [a]":                hintDocument,
		"Document contains at least one immense term in field=\"k\" (whose UTF8 encoding is":   hintDocument,
		"mapper [a.x] cannot be changed from type [text] to [long]":                            hintRace,
		"can't merge a non object mapping [log] with an object mapping":                        hintRace,
		"Field name [_ignored] is longer than the limit of [5] characters":                     hintDocument,
		"field [a] not present as part of path [a]":                                            noHint,
		"unable to convert [x] to integer":                                                     noHint,
		"if _id is specified it must not be empty":                                             noHint,
		"":         noHint,
		"pipeline": noHint,
	} {
		if got := hintOf([]byte(reason)); got != want {
			t.Errorf("%q: %d, want %d", reason, got, want)
		}
	}
}

func TestAskable(t *testing.T) {
	for _, tt := range []struct{ docs, size, want int }{
		{0, 0, 0}, {3, 100, 3}, {askedMax, 10, askedMax}, {askedMax + 1, 10, askedMax},
		{9, askedMaxBytes, 1}, {9, askedMaxBytes / 4, 4}, {9, 2 * askedMaxBytes, 1},
	} {
		var req deliver.Request
		for i := range tt.docs {
			req.Docs = append(req.Docs, deliver.Doc{Off: i * tt.size, End: (i + 1) * tt.size})
			req.Which = append(req.Which, int32(i))
		}
		if got := askable(&req); got != tt.want {
			t.Errorf("%d documents of %d bytes: %d, want %d", tt.docs, tt.size, got, tt.want)
		}
	}
}
