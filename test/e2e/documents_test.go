package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/servers"
)

type rec = decodetest.Map

// now is the records' time: a recent one, since old records go to another index.
type now struct{ sec int64 }

func (n now) event() decodetest.EventTime {
	return decodetest.EventTime{Sec: uint32(n.sec), Nsec: 123_456_789}
}

// expand puts the times into an expected document: {T} the event time, {T0} the whole second, {T5} half a second
// more, {T3} the event time in milliseconds.
func (n now) expand(doc string) string {
	second := time.Unix(n.sec, 0).UTC().Format("2006-01-02T15:04:05")
	return strings.NewReplacer("{T}", second+".123456789Z", "{T0}", second+".000000000Z", "{T5}", second+".500000000Z", "{T3}", second+".123Z").Replace(doc)
}

// documentCase is one chunk and everything that OpenSearch holds after it.
type documentCase struct {
	name    string
	keys    map[string]string // over those of section
	mapping string            // the index is made with it before; empty: OpenSearch makes the index
	chunk   func(c *decodetest.Chunk, n now)
	docs    []string          // the documents' _source
	deadIn  string            // the index of dead letters; empty: one of the case's own
	dead    []string          // the dead letters' _source, without what is random: id, rules, fingerprint
	types   map[string]string // what OpenSearch maps fields to
	secrets []string          // what must be nowhere
}

func TestDocuments(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	server := openSearch(t)
	for _, c := range slices.Concat(recordCases(), settingCases(), redactionCases(), hostileCases()) {
		t.Run(c.name, func(t *testing.T) {
			index := strings.ReplaceAll(c.name, " ", "-")
			if c.mapping != "" {
				if err := server.Do(t.Context(), "PUT", "/"+index, c.mapping, nil); err != nil {
					t.Fatal(err)
				}
			}
			n := now{time.Now().Add(-time.Minute).Unix()}
			chunk := new(decodetest.Chunk)
			c.chunk(chunk, n)
			var said bytes.Buffer
			r, err := host.Run(t.Context(), bin, host.Script{
				Plugin: so, Outputs: []map[string]string{section(t, server.URL, index, c.keys)}, Stderr: &said, RetryMax: 5,
				Chunks: func(yield func(string, []byte) bool) { yield("kube.app", chunk.Bytes()) },
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := (host.Counts{OK: 1}); r.Final.Counts != want || r.Final.Modified != 0 {
				t.Errorf("answers %+v, %d chunks were changed; want %+v\n%s", r.Final.Counts, r.Final.Modified, want, said.String())
			}
			for i := range c.docs {
				c.docs[i] = n.expand(c.docs[i])
			}
			for i := range c.dead {
				c.dead[i] = n.expand(strings.ReplaceAll(c.dead[i], "{INDEX}", index))
			}
			raw := compare(t, "documents", c.docs, server, index)
			raw += compare(t, "dead letters", c.dead, server, cmp.Or(c.deadIn, deadIndex(index)), "id", "rules", "fingerprint")
			for _, s := range c.secrets {
				if strings.Contains(raw, s) || strings.Contains(said.String(), s) {
					t.Errorf("%q left the node", s)
				}
			}
			for field, want := range c.types {
				if got := mapped(t, server, index, field); got != want {
					t.Errorf("field %s is a %s, want %s", field, got, want)
				}
			}
		})
	}
}

// flushed stands for the time of a chunk's first attempt, which dead letters without a time of their own have.
const flushed = "{FLUSHED}"

// compare fails unless an index holds exactly the wanted documents, in any order. Fields named random must be there and
// not empty; they are not compared. It answers all that the index holds, as text.
func compare(t *testing.T, what string, want []string, server *servers.Server, index string, random ...string) string {
	t.Helper()
	var got []any
	var raw strings.Builder
	if n := count(t, server, index); n > 0 {
		for doc, err := range server.Documents(t.Context(), index) {
			if err != nil {
				t.Fatal(err)
			}
			raw.Write(doc.Source)
			v := decoded(t, string(doc.Source))
			if m, ok := v.(map[string]any); ok {
				// Records lie a minute back, a flush does not.
				text, _ := m["@timestamp"].(string)
				if at, err := time.Parse(time.RFC3339Nano, text); err == nil && time.Since(at) < 50*time.Second {
					m["@timestamp"] = flushed
				}
				for _, f := range random {
					if s, _ := m[f].(string); s == "" {
						t.Errorf("%s: no %s in %s", what, f, doc.Source)
					}
					delete(m, f)
				}
			}
			got = append(got, v)
		}
	}
	var wanted []any
	for _, w := range want {
		wanted = append(wanted, decoded(t, w))
	}
	sorted(t, got)
	sorted(t, wanted)
	if d := gocmp.Diff(wanted, got); d != "" {
		t.Errorf("%s: %d, want %d (-want +got):\n%s", what, len(got), len(wanted), d)
	}
	return raw.String()
}

// decoded is JSON with its numbers as they are written.
func decoded(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("%s: more than one value", text)
	}
	return v
}

func sorted(t *testing.T, docs []any) {
	t.Helper()
	slices.SortFunc(docs, func(a, b any) int {
		x, errX := json.Marshal(a)
		y, errY := json.Marshal(b)
		if errX != nil || errY != nil {
			t.Fatal(errX, errY)
		}
		return cmp.Compare(string(x), string(y))
	})
}

// mapped is the type that OpenSearch gave a top level field.
func mapped(t *testing.T, server *servers.Server, index, field string) string {
	t.Helper()
	var answer map[string]struct {
		Mappings struct {
			Properties map[string]struct {
				Type string `json:"type"`
			} `json:"properties"`
		} `json:"mappings"`
	}
	if err := server.Do(t.Context(), "GET", "/"+index+"/_mapping", nil, &answer); err != nil {
		t.Fatal(err)
	}
	return answer[index].Mappings.Properties[field].Type
}

// TestIndices sends records of one chunk to the indices that their own fields and times name.
func TestIndices(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	server := openSearch(t)
	n := now{time.Now().Add(-time.Minute).Unix()}
	old := now{n.sec - 40*24*3600}
	in := func(namespace string) rec { return rec{"namespace_name", namespace} }
	chunk := new(decodetest.Chunk)
	chunk.Record(n.event(), rec{"log", "a", "kubernetes", in("shop")})
	chunk.Record(n.event(), rec{"log", "b", "kubernetes", in("bank")})
	chunk.Record(n.event(), rec{"log", "c", "kubernetes", in("shop")})
	chunk.Record(old.event(), rec{"log", "d", "kubernetes", in("shop")})
	month := time.Unix(n.sec, 0).UTC().Format("2006.01")
	output := section(t, server.URL, "by-$kubernetes['namespace_name']-%Y.%m", map[string]string{"Dead_Letter_Index": "dead-by"})
	r, err := host.Run(t.Context(), bin, host.Script{
		Plugin: so, Outputs: []map[string]string{output},
		Chunks: func(yield func(string, []byte) bool) { yield("kube.app", chunk.Bytes()) },
	})
	if want := (host.Counts{OK: 1}); err != nil || r.Final.Counts != want {
		t.Fatalf("answers %+v, %v, want %+v\n%s", r.Final.Counts, err, want, r.Stderr)
	}
	for index, docs := range map[string][]string{
		"by-shop-" + month: {
			n.expand(`{"@timestamp":"{T}","log":"a","kubernetes":{"namespace_name":"shop"}}`),
			n.expand(`{"@timestamp":"{T}","log":"c","kubernetes":{"namespace_name":"shop"}}`),
		},
		"by-bank-" + month:    {n.expand(`{"@timestamp":"{T}","log":"b","kubernetes":{"namespace_name":"bank"}}`)},
		"seclog-out-of-range": {old.expand(`{"@timestamp":"{T}","log":"d","kubernetes":{"namespace_name":"shop"}}`)},
		"dead-by":             nil,
	} {
		compare(t, index, docs, server, index)
	}
	if got := count(t, server, "by-*"); got != 3 {
		t.Errorf("%d documents in the records' indices, want 3", got)
	}
}
