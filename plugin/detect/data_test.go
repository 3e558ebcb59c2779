package detect_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/plugin/scan"
	"github.com/tinylib/msgp/msgp"
)

// logLine gives the chunk of one record as Fluent Bit's tail makes it of a
// line in the CRI's format.
func logLine(line string) []byte {
	parts := strings.SplitN(line, " ", 4)
	b := msgp.AppendArrayHeader(nil, 2)
	b = msgp.AppendInt64(b, 1)
	b = msgp.AppendMapHeader(b, 2)
	b = msgp.AppendString(b, "log")
	b = msgp.AppendString(b, parts[3])
	b = msgp.AppendString(b, "stream")
	return msgp.AppendString(b, parts[1])
}

// detector runs records through the scan and the engine.
type detector struct {
	engine *detect.Engine
	set    *scan.Set
	state  detect.State
	reader decode.Reader
	rec    decode.Record
	found  []scan.Found
}

func (d *detector) run(tb testing.TB, chunk []byte) []int32 {
	tb.Helper()
	d.load(tb, chunk)
	return d.engine.Detect(&d.state, &d.rec, d.found)
}

func (d *detector) load(tb testing.TB, chunk []byte) {
	tb.Helper()
	d.reader.Reset(chunk)
	if ok, err := d.reader.Next(&d.rec); !ok || err != nil {
		tb.Fatalf("record: %v %v", ok, err)
	}
	d.found = d.found[:0]
	for i := range d.rec.Nodes {
		n := &d.rec.Nodes[i]
		if n.Kind == decode.Str {
			if hits := d.set.Scan(d.rec.Text(n), nil); len(hits) > 0 {
				d.found = append(d.found, scan.Found{Node: int32(i), Hits: hits})
			}
		}
	}
}

// nearby is how many lines around a planted attack belong to it: the rest of
// its stack trace, the line before a refused password.
const nearby = 5

// TestBuiltin_Lines runs the workloads' logs: every planted attack is found,
// and lines that do not belong to one are left alone.
func TestBuiltin_Lines(t *testing.T) {
	e, set := builtin(t, detect.Options{})
	d := detector{engine: e, set: set}
	dir := filepath.Join("..", "..", "test", "data")
	var m struct {
		Files   []struct{ Name string }
		Attacks []struct {
			File, Event string
			Line        int
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	type place struct {
		file string
		line int
	}
	attacks := map[place]string{}
	for _, a := range m.Attacks {
		attacks[place{a.File, a.Line}] = a.Event
	}
	found, benign := 0, 0
	for _, f := range m.Files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
			fired := d.run(t, logLine(line))
			event, attack := attacks[place{f.Name, i + 1}]
			part := false
			for k := -nearby; k <= nearby; k++ {
				part = part || attacks[place{f.Name, i + 1 + k}] != ""
			}
			switch {
			case attack && len(fired) == 0:
				t.Errorf("%s:%d: %s is not found", f.Name, i+1, event)
			case attack:
				found++
			case len(fired) > 0 && !part:
				t.Errorf("%s:%d: %q fires on a line without attack: %.200s", f.Name, i+1, e.Rules()[fired[0]].Title, line)
			default:
				benign++
			}
		}
	}
	if found < 40 || benign < 3000 {
		t.Errorf("only %d attacks and %d other lines", found, benign)
	}
}
