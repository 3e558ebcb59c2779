// Package faults breaks what stands between the plugin and a real OpenSearch in forty ways, and counts after each: every
// numbered record that was sent is in its index or among the dead letters, exactly once.
//
// The plugin runs as it does in Fluent Bit, whose scheduling an agent plays: in process, or as a shared object in a
// process of its own where that is to be killed. SECLOG_FAULTS=long runs each fault for as long as its row says; without
// it a short form of each runs.
package faults

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seclog/seclog/plugin"
	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/test/host"
	"github.com/seclog/seclog/test/rig"
	"github.com/seclog/seclog/test/servers"
)

// kind is what is at fault.
type kind string

// The kinds.
const (
	ofServer  kind = "server"  // the node, or its indices and settings
	ofWire    kind = "wire"    // what carries the bytes
	ofAnswer  kind = "answer"  // an answer that is false, cut or monstrous
	ofRecords kind = "records" // what is to be delivered
	ofAgent   kind = "agent"   // the process that the plugin is in
	ofAccess  kind = "access"  // certificates, credentials, names, proxies
	ofMachine kind = "machine" // disks, clocks, memory
)

// row is one fault. After run comes the check that ends every row, see play.finish.
type row struct {
	number int
	name   string
	kind   kind
	run    func(p *play)
}

// table is all rows in order.
func table() []row {
	rows := slices.Concat(
		rowsKills(), rowsWire(), rowsAnswers(), rowsSizes(), rowsIndices(), rowsMapping(), rowsRecords(), rowsNodes(),
		rowsAccess(), rowsSigned(), rowsIsland(), rowsProcess(), rowsState(), rowsFluentBit(),
	)
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.number, b.number) })
	return rows
}

func TestFaults(t *testing.T) {
	if reason, ok := servers.Available(); !ok {
		rig.NotTested(t, "faults before a real OpenSearch", reason)
	}
	begin(t)
	for i, r := range table() {
		t.Run(fmt.Sprintf("%02d %s: %s", r.number, r.kind, r.name), func(t *testing.T) {
			p := newPlay(t, fmt.Sprintf("row-%02d-%02d", r.number, i))
			r.run(p)
			p.finish()
		})
	}
}

// begin has the parts that take long be made side by side.
func begin(t *testing.T) {
	t.Helper()
	var wg sync.WaitGroup
	if _, ok := host.Available(); ok {
		wg.Go(func() { _, _ = shared.Plugin() }) // its error comes again where it is asked for
	}
	if _, err := shared.Server(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

// long tells whether every fault is to last as long as its row says.
func long() bool { return os.Getenv("SECLOG_FAULTS") == "long" }

// pick is the first in the short form and the second in the long one.
func pick[T any](short, lengthy T) T {
	if long() {
		return lengthy
	}
	return short
}

// shared is what the rows share. It is set by TestMain alone.
var shared struct {
	*rig.Rig
	rules func() (*plugin.Ruleset, error)
}

func TestMain(m *testing.M) {
	os.Exit(rig.Main(m, "faults", 30*time.Minute, func(r *rig.Rig) {
		shared.Rig = r
		shared.rules = sync.OnceValues(func() (*plugin.Ruleset, error) {
			c, err := settings(map[string]string{"Hosts": "http://nowhere.invalid", "State_Path": r.Dir})
			if err != nil {
				return nil, err
			}
			return plugin.LoadRules(c, detect.Options{})
		})
	}))
}
