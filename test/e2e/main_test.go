// Package e2e tests the plugin as it is built, from the C interface, or the real Fluent Bit, to a real OpenSearch.
package e2e

import (
	"maps"
	"os"
	"testing"
	"time"

	"github.com/seclog/seclog/test/rig"
	"github.com/seclog/seclog/test/servers"
)

// shared is set by TestMain alone.
var shared *rig.Rig

func TestMain(m *testing.M) {
	os.Exit(rig.Main(m, "e2e", 10*time.Minute, func(r *rig.Rig) { shared = r }))
}

// openSearch is the node that all tests share; each uses indices of its own.
func openSearch(t *testing.T) *servers.Server {
	t.Helper()
	if reason, ok := servers.Available(); !ok {
		rig.NotTested(t, "the plugin into a real OpenSearch", reason)
	}
	s, err := shared.Server()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// section is an [OUTPUT] section with its own state, and the keys over the defaults of these tests.
func section(t *testing.T, url, index string, keys map[string]string) map[string]string {
	t.Helper()
	s := map[string]string{
		"Name": "seclog", "Match": "*", "Hosts": url, "Index": index, "Dead_Letter_Index": deadIndex(index),
		"State_Path": t.TempDir(), "Retry_Wait_Min": "20ms", "Retry_Wait_Max": "50ms", "Retry_Timeout": "10s",
	}
	maps.Copy(s, keys)
	return s
}

// deadIndex is where the dead letters of an index's records go in these tests.
func deadIndex(index string) string { return "dead-" + index }

// count is how many documents an index holds; none where there is no such index.
func count(t *testing.T, s *servers.Server, index string) int {
	t.Helper()
	if err := s.Do(t.Context(), "POST", "/"+index+"/_refresh?ignore_unavailable=true", nil, nil); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Count  *int `json:"count"`
		Shards struct {
			Failed int `json:"failed"`
		} `json:"_shards"`
	}
	if err := s.Do(t.Context(), "GET", "/"+index+"/_count?ignore_unavailable=true", nil, &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Count == nil || answer.Shards.Failed > 0 {
		t.Fatalf("count %s: %+v", index, answer)
	}
	return *answer.Count
}
