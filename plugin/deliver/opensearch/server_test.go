package opensearch_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
	"github.com/seclog/seclog/test/servers"
)

// sent is a document, and what the server says of it.
type sent struct {
	index, doc string
	want       deliver.Outcome
	typ        string // of the error
}

// row is a refusal that a real server is brought to.
type row struct {
	name          string
	before, after []string // "METHOD /path body"
	o             opensearch.Options
	path          string // behind the host
	docs          []sent
	verdict       deliver.Verdict
	status        int
	typ           string // of the whole answer
}

// one is a row of a single document.
func one(name, index, doc string, want deliver.Outcome, typ string, before ...string) row {
	return row{name: name, before: before, docs: []sent{{index, doc, want, typ}}, verdict: deliver.Items, status: 200}
}

// rows is the table of outcomes, as far as one node without its security plugin
// can be brought to give them: 401 and 403 for want of rights are played in
// TestFaults.
func rows() []row {
	const (
		later, delivered, dead, blocked = deliver.Later, deliver.Delivered, deliver.Dead, deliver.Blocked

		mapping, illegal, block = "mapper_parsing_exception", "illegal_argument_exception", "cluster_block_exception"
	)
	plain := `{"n":1,"log":"` + planted + `"}`
	settings := func(key, value string) string {
		return fmt.Sprintf(`PUT /_cluster/settings {"transient":{%q:%s}}`, key, value)
	}
	deep := strings.Repeat(`{"a":`, 25) + `"` + planted + `"` + strings.Repeat("}", 25)
	list := []row{
		one("taken", "taken", plain, delivered, ""),
		one("not a number", "mapped", `{"n":"`+planted+`"}`, dead, mapping, `PUT /mapped {"mappings":{"properties":{"n":{"type":"long"},"d":{"type":"date"},"o":{"properties":{"x":{"type":"long"}}},"t":{"type":"text"},"k":{"type":"keyword"},"r":{"type":"nested"}}}}`),
		one("not a date", "mapped", `{"d":"`+planted+`"}`, dead, mapping),
		one("text for an object", "mapped", `{"o":"`+planted+`"}`, dead, mapping),
		one("object for text", "mapped", `{"t":{"x":"`+planted+`"}}`, dead, mapping),
		one("a dotted name below text", "mapped", `{"t.x":"`+planted+`"}`, dead, mapping),
		one("an immense term", "mapped", `{"k":"`+strings.Repeat(planted, 4000)+`"}`, dead, illegal),
		one("an empty name", "mapped", `{"":"`+planted+`"}`, dead, mapping),
		one("a reserved name", "mapped", `{"_id":"`+planted+`"}`, dead, mapping),
		one("too deep", "mapped", deep, dead, mapping),
		one("no object", "mapped", `["`+planted+`"]`, dead, mapping),
		one("broken JSON", "mapped", `{"t":`+planted+`}`, dead, mapping),
		one("a key twice", "mapped", `{"t":1,"t":2}`, dead, mapping),
		one("strict mapping", "strict", `{"`+planted+`":1}`, dead, "strict_dynamic_mapping_exception", `PUT /strict {"mappings":{"dynamic":"strict"}}`),
		one("too many fields", "fields", `{"a":1,"b":1,"c":1,"`+planted+`":1}`, dead, illegal, `PUT /fields {"settings":{"index.mapping.total_fields.limit":3}}`),
		one("a name too long", "names", `{"`+planted+`":1}`, dead, illegal, `PUT /names {"settings":{"index.mapping.field_name_length.limit":5}}`),
		one("two types in one document", "two", `{"a":[{"x":1},{"x":"`+planted+`"}]}`, dead, illegal),
		one("text and object in one document", "both", `{"a":"`+planted+`","a.b":1}`, dead, illegal),
		one("too many nested objects", "nest", `{"r":[{},{},{}]}`, dead, mapping, `PUT /nest {"settings":{"index.mapping.nested_objects.limit":2},"mappings":{"properties":{"r":{"type":"nested"}}}}`),
		{
			name: "poison among others", verdict: deliver.Items, status: 200, before: []string{`PUT /some {"mappings":{"properties":{"n":{"type":"long"}}}}`},
			docs: []sent{{"some", plain, delivered, ""}, {"some", `{"n":"x"}`, dead, mapping}, {"some", `{"a":[1,"x"]}`, dead, illegal}, {"closed", plain, blocked, "index_closed_exception"}, {"UPPER", plain, blocked, "invalid_index_name_exception"}, {"some", plain, delivered, ""}},
		},
		one("closed index", "closed", plain, blocked, "index_closed_exception"),
		one("missing default pipeline", "piped", plain, blocked, illegal, `PUT /piped {"settings":{"index.default_pipeline":"nowhere"}}`),
		{name: "missing pipeline", o: opensearch.Options{Pipeline: "nowhere"}, verdict: deliver.Items, status: 200, docs: []sent{{"taken", plain, blocked, illegal}, {"taken", plain, blocked, illegal}}},
		{
			name: "a pipeline that one document fails", o: opensearch.Options{Pipeline: "convert"}, verdict: deliver.Items, status: 200,
			before: []string{`PUT /_ingest/pipeline/convert {"processors":[{"convert":{"field":"n","type":"integer"}}]}`},
			docs:   []sent{{"taken", plain, delivered, ""}, {"taken", `{"n":"` + planted + `"}`, dead, illegal}, {"taken", `{"m":1}`, dead, illegal}},
		},
		{
			name: "a pipeline that fails", o: opensearch.Options{Pipeline: "fail"}, verdict: deliver.Items, status: 200,
			before: []string{`PUT /_ingest/pipeline/fail {"processors":[{"fail":{"message":"{{log}}"}}]}`}, docs: []sent{{"taken", plain, later, "fail_processor_exception"}},
		},
		one("flood stage", "flood", plain, blocked, block, `PUT /flood {"settings":{"index.blocks.read_only_allow_delete":true}}`),
		one("read only", "readonly", plain, blocked, block, `PUT /readonly {"settings":{"index.blocks.read_only":true}}`),
		one("write block", "noWrite", plain, blocked, "invalid_index_name_exception"),
		one("write block", "nowrite", plain, blocked, block, `PUT /nowrite {"settings":{"index.blocks.write":true}}`),
		one("reserved start", "_x", plain, blocked, "invalid_index_name_exception"),
		one("long index name", strings.Repeat("x", 256), plain, blocked, "invalid_index_name_exception"),
		one("alias without write index", "alias", plain, blocked, illegal, `PUT /al1`, `PUT /al2`, `POST /_aliases {"actions":[{"add":{"index":"al1","alias":"alias"}},{"add":{"index":"al2","alias":"alias"}}]}`),
		one("data stream", "stream-x", `{"@timestamp":"2026-01-01T00:00:00.000000001Z"}`, delivered, "", `PUT /_index_template/stream {"index_patterns":["stream-*"],"data_stream":{},"priority":9}`),
		one("data stream without time", "stream-x", plain, dead, mapping),
		{name: "data stream and index", o: opensearch.Options{Operation: "index"}, verdict: deliver.Items, status: 200, docs: []sent{{"stream-x", `{"@timestamp":"2026-01-01T00:00:00Z"}`, blocked, illegal}}},
		one("routing required", "routed", plain, blocked, "routing_missing_exception", `PUT /routed {"mappings":{"_routing":{"required":true}}}`),
		one("no primary shard", "nobody", plain, later, "unavailable_shards_exception", `PUT /nobody?timeout=1s&wait_for_active_shards=0 {"settings":{"index.routing.allocation.require._name":"nobody"}}`),
		one("auto create off", "uncreated", plain, blocked, "index_not_found_exception", settings("action.auto_create_index", "false")),
		one("shard limit", "limited", plain, blocked, "validation_exception", settings("cluster.max_shards_per_node", "1")),
		{name: "cluster read only", before: []string{settings("cluster.blocks.read_only", "true")}, after: []string{settings("cluster.blocks.read_only", "null")}, docs: []sent{{index: "taken", doc: plain}}, verdict: deliver.Refused, status: 403, typ: block},
		{name: "cluster at flood stage", before: []string{settings("cluster.blocks.read_only_allow_delete", "true")}, after: []string{settings("cluster.blocks.read_only_allow_delete", "null")}, docs: []sent{{index: "taken", doc: plain}}, verdict: deliver.Refused, status: 403, typ: block},
		{name: "too large", docs: []sent{{index: "taken", doc: `{"log":"` + strings.Repeat("x", 1<<20) + `"}`}}, verdict: deliver.TooLarge, status: 413},
		{name: "indexing pressure", docs: []sent{{index: "taken", doc: `{"log":"` + strings.Repeat("x ", 400<<10) + `"}`}}, verdict: deliver.Throttled, status: 429, typ: "rejected_execution_exception"},
		{name: "action that cannot be read", docs: []sent{{index: `x" "`, doc: plain}}, verdict: deliver.Malformed, status: 400, typ: "json_parse_exception"},
		{name: "action that nobody knows", docs: []sent{{index: `x","zz":"`, doc: plain}}, verdict: deliver.Malformed, status: 400, typ: illegal},
		{name: "no such address", path: "/a/b", docs: []sent{{index: "x", doc: plain}}, verdict: deliver.NoAnswer, status: 400, typ: "unknown"},
	}
	for i := range list {
		switch list[i].name {
		case "auto create off":
			list[i].after = []string{settings("action.auto_create_index", "null")}
		case "shard limit":
			list[i].after = []string{settings("cluster.max_shards_per_node", "null")}
		case "poison among others":
			list[i].before = append(list[i].before, "PUT /closed", "POST /closed/_close")
		}
	}
	return list
}

// TestServer asks a real server that takes little.
func TestServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a real OpenSearch")
	}
	server := servers.ForTest(t, servers.Options{Settings: map[string]string{"http.max_content_length": "1mb", "indexing_pressure.memory.limit": "700kb"}})
	t.Run("outcomes", func(t *testing.T) { outcomes(t, server) })
	t.Run("race for a new field", func(t *testing.T) { race(t, server) })
}

// outcomes holds that the answers mean what the table of outcomes says, asked as
// small as they are.
func outcomes(t *testing.T, server *servers.Server) {
	do := func(t *testing.T, requests []string) {
		t.Helper()
		for _, r := range requests {
			method, rest, _ := strings.Cut(r, " ")
			path, body, _ := strings.Cut(rest, " ")
			var payload any
			if body != "" {
				payload = body
			}
			if err := server.Do(context.Background(), method, path, payload, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	ids := 0
	for _, tt := range rows() {
		t.Run(tt.name, func(t *testing.T) {
			do(t, tt.before)
			defer do(t, tt.after)
			tt.o.Hosts = []string{server.URL + tt.path}
			c, err := opensearch.New(tt.o)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var b deliver.Batch
			req := deliver.Request{Timeout: 6 * time.Second, RetryUntil: time.Now().Add(10 * time.Second)}
			for i, s := range tt.docs {
				ids++
				doc := deliver.Doc{Off: len(b.Body), Index: s.index}
				b.Body = c.Frame(b.Body, s.index, fmt.Sprintf("%020d", ids))
				doc.JSONOff = len(b.Body)
				b.Body = append(b.Body, s.doc+"\n"...)
				doc.End = len(b.Body)
				req.Docs = append(req.Docs, doc)
				req.Which = append(req.Which, int32(i))
			}
			req.Body = b.Body
			if tt.verdict != deliver.Items {
				req.RetryUntil = time.Now() // or it would be tried again and again
			}
			for _, again := range []bool{false, true} {
				var ans deliver.Answer
				c.Send(context.Background(), &req, &ans)
				if ans.Verdict != tt.verdict || ans.Status != tt.status || ans.Type != tt.typ {
					t.Fatalf("verdict %d, status %d, type %q, want %d, %d, %q; %+v", ans.Verdict, ans.Status, ans.Type, tt.verdict, tt.status, tt.typ, ans)
				}
				if strings.Contains(fmt.Sprintf("%+v", ans), planted) {
					t.Errorf("the answer keeps content: %+v", ans)
				}
				if tt.verdict != deliver.Items {
					break
				}
				for i, s := range tt.docs {
					got, typ := ans.Items[i], s.typ
					duplicate := again && s.want == deliver.Delivered && tt.o.Operation != "index"
					if duplicate {
						typ = "version_conflict_engine_exception"
					}
					if got.Outcome != s.want || got.Type != typ || got.Duplicate != duplicate {
						t.Errorf("document %d: %v %q duplicate %v, want %v %q %v", i, got.Outcome, got.Type, got.Duplicate, s.want, typ, duplicate)
					}
				}
			}
		})
	}
}

// race sends documents that bring a new field at the same moment, some as a whole
// number and some not. Those that lose are refused like documents that can never be
// taken, but all are.
func race(t *testing.T, server *servers.Server) {
	if err := server.Do(context.Background(), "PUT", "/race", `{"settings":{"number_of_shards":8,"number_of_replicas":0}}`, nil); err != nil {
		t.Fatal(err)
	}
	c, d := pair(t, opensearch.Options{Hosts: []string{server.URL}}, deliver.Options{Timeout: 20 * time.Second, RetryTimeout: 10 * time.Second})
	defer d.Close()
	const rounds, each = 30, 16
	for round := range rounds {
		var b deliver.Batch
		for i := range each {
			doc := deliver.Doc{Off: len(b.Body), Index: "race", Place: int32(i)}
			copy(doc.ID[:], fmt.Sprintf("%010d%010d", round, i))
			b.Body = c.Frame(b.Body, doc.Index, string(doc.ID[:]))
			doc.JSONOff = len(b.Body)
			b.Body = fmt.Appendf(b.Body, "{\"f%d\":%s}\n", round, []string{"1", "1.5"}[i%2])
			doc.End = len(b.Body)
			b.Docs = append(b.Docs, doc)
		}
		if got, err := d.Send(context.Background(), &b, nil); err != nil || got.Delivered != each {
			t.Fatalf("round %d: %+v %v, want all delivered", round, got, err)
		}
	}
	if n, err := server.Count(context.Background(), "race"); err != nil || n != rounds*each {
		t.Errorf("%d documents, %v, want %d", n, err, rounds*each)
	}
}
