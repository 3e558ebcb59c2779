package plugin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Section is the keys of one [OUTPUT] section of a Fluent Bit configuration, in
// lower case.
type Section map[string]string

// Get gives a key's value, whatever the key's case.
func (s Section) Get(key string) string { return s[strings.ToLower(key)] }

// Set gives a key a value in which ${NAME} is what getenv has; an empty value
// takes the key away.
func (s Section) Set(key, value string, getenv func(string) string) {
	r := sectionReader{getenv: getenv}
	s[strings.ToLower(key)] = r.expand(value)
}

// FindSection reads a configuration of Fluent Bit, classic or YAML, with the
// files that it includes, and gives the section of this plugin. Which chooses
// one of several: its number among them, from 1, or its Alias; "" asks for the
// only one. ${NAME} in a value is what the configuration sets it to, else what
// getenv has.
//
// Errors: a file that cannot be read, and no section, or several to choose from.
// No error holds a value that may be secret.
func FindSection(path, which string, getenv func(string) string) (Section, error) {
	r := &sectionReader{getenv: getenv, set: map[string]string{}}
	if err := r.file(path, 0); err != nil {
		return nil, err
	}
	var ours []Section
	for _, s := range r.outputs {
		for k, v := range s {
			s[k] = r.expand(v)
		}
		if strings.EqualFold(s["name"], "seclog") {
			ours = append(ours, s)
		}
	}
	var list strings.Builder
	for i, s := range ours {
		if which == strconv.Itoa(i+1) || which != "" && which == s["alias"] || which == "" && len(ours) == 1 {
			return s, nil
		}
		fmt.Fprintf(&list, "\n  %d: Match %q", i+1, s["match"]+s["match_regex"])
		for _, k := range []string{"Alias", "Index"} {
			if v := s.Get(k); v != "" {
				fmt.Fprintf(&list, ", %s %q", k, v)
			}
		}
	}
	switch {
	case len(ours) == 0:
		return nil, fmt.Errorf("%s: no output is named seclog", path)
	case which == "":
		return nil, fmt.Errorf("%s: several outputs are named seclog, choose one by its number or Alias:%s", path, list.String())
	}
	return nil, fmt.Errorf("%s: no output of Seclog has the number or Alias %q:%s", path, which, list.String())
}

// Bounds of a configuration.
const (
	includeDepth = 16
	includeMax   = 1000    // files
	sectionMax   = 4 << 20 // bytes of a file
)

// sectionReader gathers the outputs of a configuration and what it sets.
type sectionReader struct {
	getenv  func(string) string
	set     map[string]string
	outputs []Section
	files   int
}

// expand puts values where ${NAME} stands. What nobody sets is empty, as it is
// for Fluent Bit.
func (r *sectionReader) expand(v string) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(v, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			out.WriteString(v)
			return out.String()
		}
		out.WriteString(before)
		value, set := r.set[name]
		if !set {
			value = r.getenv(name)
		}
		out.WriteString(value)
		v = after
	}
}

// file reads one file.
func (r *sectionReader) file(path string, depth int) error {
	if r.files++; depth > includeDepth || r.files > includeMax {
		return fmt.Errorf("%s: too many files include each other", path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > sectionMax {
		return fmt.Errorf("%s: not a file of at most %d bytes", path, sectionMax)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		err = r.yaml(path, text, depth)
	default:
		err = r.classic(path, string(text), depth)
	}
	return err
}

// include reads the files that a pattern names, which is seen from the file
// that holds it.
func (r *sectionReader) include(from, pattern string, depth int) error {
	pattern = r.expand(pattern)
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(from), pattern)
	}
	names, err := filepath.Glob(pattern)
	if err == nil && len(names) == 0 {
		err = errors.New("no such file")
	}
	if err != nil {
		return fmt.Errorf("%s: include %s: %w", from, pattern, err)
	}
	for _, n := range names {
		if err := r.file(n, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// classic reads the format with [SECTION] and indented keys.
func (r *sectionReader) classic(path, text string, depth int) error {
	var current Section // nil: not an output
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			name, rest, closed := strings.Cut(line[1:], "]")
			if !closed || strings.TrimSpace(rest) != "" {
				return fmt.Errorf("%s:%d: a section's name is not closed", path, n+1)
			}
			current = nil
			if strings.EqualFold(strings.TrimSpace(name), "output") {
				current = Section{}
				r.outputs = append(r.outputs, current)
			}
			continue
		}
		key, value := line, ""
		if i := strings.IndexAny(line, " \t"); i >= 0 {
			key, value = line[:i], strings.TrimSpace(line[i:])
		}
		switch strings.ToLower(key) {
		case "@include":
			if err := r.include(path, value, depth); err != nil {
				return err
			}
			current = nil
		case "@set":
			name, v, ok := strings.Cut(value, "=")
			if !ok {
				return fmt.Errorf("%s:%d: @SET needs NAME=VALUE", path, n+1)
			}
			r.set[strings.TrimSpace(name)] = strings.TrimSpace(v)
		default:
			if current != nil {
				current[strings.ToLower(key)] = value
			}
		}
	}
	return nil
}

// yaml reads the format with pipeline and outputs.
func (r *sectionReader) yaml(path string, text []byte, depth int) error {
	var doc struct {
		Env      map[string]yaml.Node `yaml:"env"`
		Includes []string             `yaml:"includes"`
		Pipeline struct {
			Outputs []map[string]yaml.Node `yaml:"outputs"`
		} `yaml:"pipeline"`
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		if wrong := (*yaml.TypeError)(nil); errors.As(err, &wrong) {
			err = errors.New("not the form of a Fluent Bit configuration") // its own words quote values
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	for name, v := range doc.Env {
		if v.Kind == yaml.ScalarNode {
			r.set[name] = v.Value
		}
	}
	for _, p := range doc.Includes {
		if err := r.include(path, p, depth); err != nil {
			return err
		}
	}
	for _, out := range doc.Pipeline.Outputs {
		s := Section{}
		for k, v := range out {
			// Only other plugins have keys with anything but a plain value.
			if v.Kind == yaml.ScalarNode && v.Tag != "!!null" {
				s[strings.ToLower(k)] = v.Value
			}
		}
		r.outputs = append(r.outputs, s)
	}
	return nil
}
