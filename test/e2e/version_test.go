package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/rig"
	"github.com/seclog/seclog/test/servers"
)

// TestVersion3 does with OpenSearch 3 what matters most: new documents, the same again, one that does not fit, and an
// index that takes nothing for a while.
func TestVersion3(t *testing.T) {
	server := servers.ForTest(t, servers.Options{Version: "3.4.0"})
	so, bin := shared.PluginAndHost(t)
	for index, body := range map[string]string{
		"three-a": `{"mappings":{"properties":{"n":{"type":"long"}}}}`,
		"three-b": `{"settings":{"index.blocks.write":true}}`,
	} {
		if err := server.Do(t.Context(), "PUT", "/"+index, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	n := now{time.Now().Add(-time.Minute).Unix()}
	chunk := new(decodetest.Chunk)
	for i := range 400 {
		chunk.Record(n.event(), rec{"log", fmt.Sprintf("line %d ", i/2), "part", string("ab"[i%2]), "n", i})
	}
	chunk.Record(n.event(), rec{"log", "poison", "part", "a", "n", "no number"})
	output := section(t, server.URL, "three-$part", map[string]string{"Dead_Letter_Index": "three_dead", "Retry_Timeout": "30s"})
	for _, again := range []bool{false, true} {
		h := rig.StartHost(t, bin, host.Script{Plugin: so, Outputs: []map[string]string{output}})
		if err := h.Chunk("app", chunk.Bytes()); err != nil {
			t.Fatal(err)
		}
		if !again {
			if e := waitRetries(t, h, 5); e.OK > 0 {
				t.Errorf("the block was not seen: %+v", e)
			}
			told(t, h, "index three-b: cluster_block_exception (status 403)", "to do: free disk on the nodes")
			if err := server.Do(t.Context(), "PUT", "/three-b/_settings", `{"index.blocks.write":null}`, nil); err != nil {
				t.Fatal(err)
			}
		}
		arrive(t, h)
		told(t, h, "dead letters: mapper_parsing_exception (status 400) in index three-a, 1 records", "replay")
		if _, err := h.Exit(); err != nil {
			t.Fatal(err)
		}
		once(t, server, "three-a", "nowhere", 200)
		once(t, server, "three-b", "nowhere", 200)
		if got := count(t, server, "three_dead"); got != 1 {
			t.Errorf("%d dead letters, want 1, again %v", got, again)
		}
	}
}
