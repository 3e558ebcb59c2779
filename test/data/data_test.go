package data_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/seclog/seclog/test/data"
)

func TestGenerate_MatchesCheckedInFiles(t *testing.T) {
	made, m, err := data.Generate(data.Seed, data.Start())
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != len(m.Files)+1 {
		t.Fatalf("%d files made, manifest lists %d", len(made), len(m.Files))
	}
	total := 0
	for name, want := range made {
		got, err := data.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what the generator makes: go run ./test/data/gen", name)
		}
		total += len(got)
	}
	if total > 2<<20 {
		t.Errorf("%d bytes checked in, more than 2 MiB", total)
	}
}

func TestGenerate_OtherSeedAndStart(t *testing.T) {
	start := time.Date(2027, 2, 3, 4, 5, 6, 7, time.UTC)
	made, m, err := data.Generate(7, start)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Files {
		lines, err := data.Lines(made[f.Name])
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if !lines[0].Time.Equal(start) {
			t.Errorf("%s starts at %v", f.Name, lines[0].Time)
		}
	}
}

func TestManifest(t *testing.T) {
	m, err := data.Load()
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string][]data.Line{}
	sum := 0
	for _, f := range m.Files {
		b, err := data.Read(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		l, err := data.Lines(b)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		if len(l) != f.Lines || len(b) != f.Bytes {
			t.Errorf("%s: %d lines of %d bytes, manifest says %d of %d", f.Name, len(l), len(b), f.Lines, f.Bytes)
		}
		for i := 1; i < len(l); i++ {
			if !l[i].Time.After(l[i-1].Time) {
				t.Errorf("%s:%d: time %v is not after the line before", f.Name, i+1, l[i].Time)
			}
		}
		if !l[0].Time.Equal(f.First) || !l[len(l)-1].Time.Equal(f.Last) {
			t.Errorf("%s: first and last time differ from the manifest", f.Name)
		}
		lines[f.Name] = l
		sum += len(l)
	}
	if sum != m.Lines || sum < 3000 {
		t.Errorf("%d lines, manifest says %d", sum, m.Lines)
	}
	at := func(file string, line int) string {
		if line < 1 || line > len(lines[file]) {
			t.Fatalf("no line %s:%d", file, line)
		}
		return lines[file][line-1].Log
	}
	events := map[string]int{}
	for _, a := range m.Attacks {
		at(a.File, a.Line)
		if a.Event == "" || !strings.HasPrefix(a.Technique, "T1") {
			t.Errorf("attack without event or technique: %+v", a)
		}
		events[a.Event]++
	}
	if len(events) < 15 {
		t.Errorf("only %d kinds of attack", len(events))
	}
	kinds := map[string]int{}
	for _, s := range m.Secrets {
		if !strings.Contains(at(s.File, s.Line), s.Value) {
			t.Errorf("%s:%d does not hold its %s", s.File, s.Line, s.Kind)
		}
		kinds[s.Kind]++
	}
	if len(kinds) < 20 {
		t.Errorf("only %d kinds of secret", len(kinds))
	}
	for _, s := range m.LookAlikes {
		if !strings.Contains(at(s.File, s.Line), s.Value) {
			t.Errorf("%s:%d does not hold its look-alike %s", s.File, s.Line, s.Kind)
		}
	}
}

func TestPlantedNumbers_Luhn(t *testing.T) {
	m, err := data.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Secrets {
		if s.Kind == "credit_card" && !luhn(s.Value) {
			t.Errorf("card %s fails Luhn", s.Value)
		}
	}
	for _, s := range m.LookAlikes {
		if s.Kind == "order_number" && luhn(s.Value) {
			t.Errorf("order number %s passes Luhn", s.Value)
		}
	}
}

// luhn doubles every second digit from the right, as a table of its own.
func luhn(s string) bool {
	twice := [10]int{0, 2, 4, 6, 8, 1, 3, 5, 7, 9}
	sum, n := 0, 0
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] < '0' || s[i] > '9' {
			continue
		}
		if d := int(s[i] - '0'); n%2 == 1 {
			sum += twice[d]
		} else {
			sum += d
		}
		n++
	}
	return n > 0 && sum%10 == 0
}

func TestJSONWorkloads_AreJSON(t *testing.T) {
	for _, name := range []string{"audit.log", "falco.log", "node.log"} {
		b, err := data.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := data.Lines(b)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range lines {
			var v map[string]any
			if err := json.Unmarshal([]byte(l.Log), &v); err != nil {
				t.Errorf("%s:%d: %v", name, i+1, err)
			}
		}
	}
}

func TestParseLine_Refuses(t *testing.T) {
	for _, s := range []string{
		"", "2026-11-23T20:11:00Z", "2026-11-23T20:11:00Z stdout F", "2026-11-23T20:11:00Z stdin F x",
		"2026-11-23T20:11:00Z stdout X x", "yesterday stdout F x",
	} {
		if l, err := data.ParseLine(s); err == nil {
			t.Errorf("%q was read as %+v", s, l)
		}
	}
	l, err := data.ParseLine("2026-11-23T20:11:00.000000001Z stderr P  two  blanks")
	if err != nil || !l.Partial || l.Stream != "stderr" || l.Log != " two  blanks" || l.Time.Nanosecond() != 1 {
		t.Errorf("got %+v, %v", l, err)
	}
}
