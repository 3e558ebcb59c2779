package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/rig"
)

// TestIDs_OfTheRecords lets records bring their ids: those with the same are stored once, in two chunks too, those without
// all, and with Write_Operation index the last one stays. What OpenSearch can never take keeps its id as a dead letter.
func TestIDs_OfTheRecords(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	server := openSearch(t)
	n := now{time.Now().Add(-time.Minute).Unix()}
	first := new(decodetest.Chunk).
		Record(n.event(), rec{"id", "order/1", "log", "a", "n", 1}).
		Record(n.event(), rec{"id", "order/2", "log", "b", "n", 2}).
		Record(n.event(), rec{"log", "c", "n", 3}).
		Record(n.event(), rec{"log", "c", "n", 3}).
		Record(n.event(), rec{"id", "order/9", "log", "poison", "n", "no number"})
	second := new(decodetest.Chunk).Record(n.event(), rec{"id", "order/1", "log", "again", "n", 4})
	outputs := []map[string]string{
		section(t, server.URL, "ids-create", map[string]string{"Id_Key": "id"}),
		section(t, server.URL, "ids-index", map[string]string{"Id_Key": "$id", "Write_Operation": "index"}),
	}
	for _, index := range []string{"ids-create", "ids-index"} {
		if err := server.Do(t.Context(), "PUT", "/"+index, `{"mappings":{"properties":{"n":{"type":"integer"}}}}`, nil); err != nil {
			t.Fatal(err)
		}
	}
	h := rig.StartHost(t, bin, host.Script{Plugin: so, Outputs: outputs})
	for _, chunk := range []*decodetest.Chunk{first, second} {
		if err := h.Chunk("app", chunk.Bytes()); err != nil {
			t.Fatal(err)
		}
		if e, err := h.Drain(30 * time.Second); err != nil || e.Pending > 0 {
			t.Fatalf("%+v %v", e, err)
		}
	}
	if _, err := h.Exit(); err != nil {
		t.Fatal(err)
	}
	for index, stays := range map[string]string{"ids-create": "a", "ids-index": "again"} {
		var got []string
		for doc, err := range server.Documents(t.Context(), index, "log") {
			if err != nil {
				t.Fatal(err)
			}
			if doc.ID != "order/1" && doc.ID != "order/2" {
				if len(doc.ID) != 20 {
					t.Errorf("%s: id %q", index, doc.ID)
				}
				doc.ID = "ours"
			}
			got = append(got, fmt.Sprint(doc.ID, " ", string(doc.Source)))
		}
		slices.Sort(got)
		want := []string{`order/1 {"log":"` + stays + `"}`, `order/2 {"log":"b"}`, `ours {"log":"c"}`, `ours {"log":"c"}`}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", index, diff)
		}
		if ids, err := server.Values(t.Context(), deadIndex(index), "id"); err != nil || !slices.Equal(ids, []string{`"order/9"`}) {
			t.Errorf("%s: dead letters %q %v", index, ids, err)
		}
	}
}

// TestIDs_DataStream writes into a data stream, twice: the second time everything is there already. After a rollover
// OpenSearch does not know the ids of the backing index before, so what is sent again then is stored again: the README
// says so, and this holds it.
func TestIDs_DataStream(t *testing.T) {
	so, bin := shared.PluginAndHost(t)
	server := openSearch(t)
	if err := server.Do(t.Context(), "PUT", "/_index_template/ids-stream", `{"index_patterns":["ids-stream*"],"data_stream":{},"priority":500}`, nil); err != nil {
		t.Fatal(err)
	}
	n := now{time.Now().Add(-time.Minute).Unix()}
	chunk := new(decodetest.Chunk)
	for i := range 100 {
		chunk.Record(n.event(), rec{"log", fmt.Sprint("line ", i), "log_path", "/var/log/a.log", "log_offset", i * 10})
	}
	state := t.TempDir()
	run := func(want int) {
		t.Helper()
		r, err := host.Run(t.Context(), bin, host.Script{
			Plugin: so, Outputs: []map[string]string{section(t, server.URL, "ids-stream", map[string]string{"Data_Stream": "On", "State_Path": state})},
			Chunks: func(yield func(string, []byte) bool) { yield("app", chunk.Bytes()) },
		})
		if err != nil || r.Final.OK != 1 {
			t.Fatalf("%+v %v\n%s", r.Final, err, r.Stderr)
		}
		if got := count(t, server, "ids-stream"); got != want {
			t.Errorf("%d documents, want %d", got, want)
		}
	}
	run(100)
	run(100)
	if err := server.Do(t.Context(), "POST", "/ids-stream/_rollover", nil, nil); err != nil {
		t.Fatal(err)
	}
	run(200)
	var answer struct {
		Streams []struct {
			Indices []any `json:"indices"`
		} `json:"data_streams"`
	}
	if err := server.Do(t.Context(), "GET", "/_data_stream/ids-stream", nil, &answer); err != nil || len(answer.Streams) != 1 || len(answer.Streams[0].Indices) != 2 {
		t.Errorf("%+v %v", answer, err)
	}
}
