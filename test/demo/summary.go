package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/seclog/seclog/test/data"
	"github.com/seclog/seclog/test/servers"
)

// count is one row of a table.
type count struct {
	Name string
	N    int
}

// example is a line as it was written and as it arrived.
type example struct{ Title, Before, After string }

// summary is what OpenSearch's answers say.
type summary struct {
	Lines, Documents, Dead int
	Took                   time.Duration
	Levels, Rules          []count
	Techniques, Tactics    []count
	Detectors              []count
	Files                  []count
	Planted                int
	Left                   []data.Secret // planted secrets that stand in the index
	Attacks                int
	Missed                 []data.Attack // planted attacks without an alert
	Examples               []example
}

// document is what of a document is counted.
type document struct {
	Time time.Time `json:"@timestamp"`
	Path string    `json:"log_path"`
	Rule struct {
		Name []string `json:"name"`
	} `json:"rule"`
	Threat struct {
		Tactic struct {
			Name []string `json:"name"`
		} `json:"tactic"`
		Technique struct {
			ID []string `json:"id"`
		} `json:"technique"`
	} `json:"threat"`
	Seclog struct {
		Redacted map[string]int `json:"redacted"`
		Level    string         `json:"level"`
	} `json:"seclog"`
	raw string
}

// place tells lines apart: each line of a file has a time of its own. It is
// counted in microseconds, since Fluent Bit reads fractions of seconds as
// floating point.
type place struct {
	file string
	time int64
}

func summarise(ctx context.Context, server *servers.Server, j *job) (*summary, error) {
	s := &summary{Lines: j.manifest.Lines, Planted: len(j.manifest.Secrets), Attacks: len(j.manifest.Attacks)}
	docs := map[place]document{}
	levels, rules, tactics := map[string]int{}, map[string]int{}, map[string]int{}
	techniques, detectors, files := map[string]int{}, map[string]int{}, map[string]int{}
	var all strings.Builder
	for d, err := range server.Documents(ctx, "seclog-*") {
		if err != nil {
			return nil, err
		}
		doc := document{raw: string(d.Source)}
		if err := json.Unmarshal(d.Source, &doc); err != nil {
			return nil, fmt.Errorf("document %s: %w", d.ID, err)
		}
		s.Documents++
		all.WriteString(doc.raw)
		all.WriteByte('\n')
		name := filepath.Base(doc.Path)
		docs[place{name, doc.Time.UnixMicro()}] = doc
		files[name]++
		for _, n := range doc.Rule.Name {
			rules[n]++
		}
		for _, n := range doc.Threat.Tactic.Name {
			tactics[n]++
		}
		for _, id := range doc.Threat.Technique.ID {
			techniques[id]++
		}
		for id, n := range doc.Seclog.Redacted {
			detectors[id] += n
		}
		if doc.Seclog.Level != "" {
			levels[doc.Seclog.Level]++
		}
	}
	if n, err := server.Count(ctx, "seclog_dead_letters"); err == nil {
		s.Dead = n
	}
	s.Levels = sorted(levels)
	s.Rules, s.Tactics, s.Techniques = sorted(rules), sorted(tactics), sorted(techniques)
	s.Detectors, s.Files = sorted(detectors), sorted(files)
	text := all.String()
	for _, sec := range j.manifest.Secrets {
		quoted, err := json.Marshal(sec.Value)
		if err != nil {
			return nil, err
		}
		if strings.Contains(text, sec.Value) || strings.Contains(text, string(quoted[1:len(quoted)-1])) {
			s.Left = append(s.Left, sec)
		}
	}
	lines := map[string][]data.Line{}
	for _, f := range j.manifest.Files {
		var err error
		if lines[f.Name], err = data.Lines(j.files[f.Name]); err != nil {
			return nil, err
		}
	}
	at := func(file string, line int) (data.Line, document) {
		l := lines[file][line-1]
		return l, docs[place{file, l.Time.UnixMicro()}]
	}
	for _, a := range j.manifest.Attacks {
		if _, d := at(a.File, a.Line); len(d.Rule.Name) == 0 {
			s.Missed = append(s.Missed, a)
		}
	}
	s.examples(j.manifest, at)
	return s, nil
}

// examples picks one planted attack of each file and one secret of each kind.
func (s *summary) examples(m *data.Manifest, at func(string, int) (data.Line, document)) {
	seen := map[string]bool{}
	for _, a := range m.Attacks {
		l, d := at(a.File, a.Line)
		if len(d.Rule.Name) > 0 && !seen[a.File] && len(s.Examples) < 8 {
			seen[a.File] = true
			s.Examples = append(s.Examples, example{a.Event + " (" + a.Technique + ")", l.Log, d.raw})
		}
	}
	for _, sec := range m.Secrets {
		l, d := at(sec.File, sec.Line)
		if len(d.Seclog.Redacted) > 0 && !seen[sec.Kind] && len(s.Examples) < 20 {
			seen[sec.Kind] = true
			s.Examples = append(s.Examples, example{sec.Kind, l.Log, d.raw})
		}
	}
}

func sorted(m map[string]int) []count {
	var out []count
	for k, n := range m {
		out = append(out, count{k, n})
	}
	slices.SortFunc(out, func(a, b count) int {
		if a.N != b.N {
			return b.N - a.N
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

func (s *summary) print(w io.Writer) {
	table := func(title string, rows []count, most int) {
		fmt.Fprintf(w, "\n  %s\n", title)
		top := 1
		if len(rows) > 0 {
			top = rows[0].N
		}
		for i, r := range rows {
			if i == most {
				fmt.Fprintf(w, "    … and %d more\n", len(rows)-most)
				break
			}
			fmt.Fprintf(w, "    %-46.46s %5d %s\n", r.Name, r.N, strings.Repeat("▇", max(1, r.N*24/top)))
		}
	}
	fmt.Fprintf(w, "\n  delivered   %d sent, %d indexed, %d dead letters, in %.1f s\n", s.Lines, s.Documents, s.Dead, s.Took.Seconds())
	table("tagged, by rule", s.Rules, 40)
	table("by ATT&CK technique", s.Techniques, 40)
	table("by level", s.Levels, 5)
	table("redacted, by detector", s.Detectors, 60)
	fmt.Fprintf(w, "\n  planted attacks tagged      %d of %d\n", s.Attacks-len(s.Missed), s.Attacks)
	for _, a := range s.Missed {
		fmt.Fprintf(w, "    without an alert: %s line %d: %s\n", a.File, a.Line, a.Event)
	}
	fmt.Fprintf(w, "  planted secrets in the index  %d of %d\n", len(s.Left), s.Planted)
	for _, l := range s.Left {
		fmt.Fprintf(w, "    left: %s line %d: %s\n", l.File, l.Line, l.Kind)
	}
}

// verdict is an error where the promises were not kept.
func (s *summary) verdict() error {
	var errs []error
	if s.Documents != s.Lines || s.Dead != 0 {
		errs = append(errs, fmt.Errorf("%d lines made %d documents and %d dead letters", s.Lines, s.Documents, s.Dead))
	}
	if len(s.Left) > 0 {
		errs = append(errs, fmt.Errorf("%d planted secrets stand in the index", len(s.Left)))
	}
	if len(s.Missed) > 0 {
		errs = append(errs, fmt.Errorf("%d planted attacks were not tagged", len(s.Missed)))
	}
	return errors.Join(errs...)
}
