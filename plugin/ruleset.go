package plugin

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/plugin/redact"
	"github.com/seclog/seclog/plugin/scan"
)

// Ruleset is all rules, made ready to look at records: one scan for the
// literals of both engines.
//
// Concurrency: it never changes; a flush takes one and keeps it to its end.
type Ruleset struct {
	Version  string // of the rules' bytes, 16 hexadecimal digits
	Scan     *scan.Set
	Detect   *detect.Engine
	Redact   *redact.Engine
	Refused  []detect.Refusal // detection rules that are left out
	detected bool             // detection is wanted
	redacted bool             // redaction is wanted
}

// RuleFiles are the files of a rule set, by what they hold.
type RuleFiles struct {
	Detection, Pipelines []detect.Source
	Redaction            []redact.Source
}

// maxRuleFile bounds one rule file.
const maxRuleFile = 16 << 20 // 16 MB

// Add reads the rule files below root in fsys; name is put before their names
// in messages. What a file holds is known by its ending and its keys: files in
// a folder named pipelines are pipelines, YAML with "detectors", "fields",
// "allow" or "disable" at its top is redaction, all other YAML is detection.
func (f *RuleFiles) Add(fsys fs.FS, root, name string) error {
	found := false
	err := fs.WalkDir(fsys, root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(p)
		// Kubernetes mounts a ConfigMap as links into a folder ..data.
		if d.IsDir() && p != root && strings.HasPrefix(base, ".") {
			return fs.SkipDir
		}
		ext := path.Ext(p)
		if d.IsDir() || strings.HasPrefix(base, ".") || ext != ".yml" && ext != ".yaml" {
			return nil
		}
		info, err := fs.Stat(fsys, p)
		if err != nil {
			return err
		}
		if info.IsDir() {
			return nil
		}
		if info.Size() > maxRuleFile {
			return fmt.Errorf("%s: larger than 16 MB", p)
		}
		data, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		found = true
		f.sort(path.Join(name, p), data)
		return nil
	})
	if err == nil && !found {
		err = errors.New("no .yml or .yaml file in it")
	}
	return err
}

func (f *RuleFiles) sort(name string, data []byte) {
	switch {
	case slices.Contains(strings.Split(path.Dir(name), "/"), "pipelines"):
		f.Pipelines = append(f.Pipelines, detect.Source{Name: name, Data: data})
	case isRedaction(data):
		f.Redaction = append(f.Redaction, redact.Source{Name: name, Data: data})
	default:
		f.Detection = append(f.Detection, detect.Source{Name: name, Data: data})
	}
}

// isRedaction looks for the keys that begin the sections of a redaction file.
func isRedaction(data []byte) bool {
	for line := range strings.Lines(string(data)) {
		for _, k := range []string{"detectors:", "fields:", "allow:", "disable:"} {
			if strings.HasPrefix(line, k) {
				return true
			}
		}
	}
	return false
}

// AddPath reads a file or a folder of the user's.
func (f *RuleFiles) AddPath(p string) error {
	info, err := os.Stat(p)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return f.Add(os.DirFS(p), ".", p)
	}
	return f.Add(os.DirFS(filepath.Dir(p)), filepath.Base(p), filepath.Dir(p))
}

// Compile makes the files ready.
//
// Errors: a redaction rule that cannot be used is one; a detection rule is
// left out and named in Refused.
func (f *RuleFiles) Compile(c *config.Config, o detect.Options) (*Ruleset, error) {
	var keys *redact.Keys
	if c.KeyFile != "" {
		var err error
		if keys, err = redact.LoadKeys(c.KeyFile); err != nil {
			return nil, fmt.Errorf("Key_File: %w", err)
		}
	}
	rs := &Ruleset{detected: c.Detect, redacted: c.Redact != config.RedactOff, Version: f.version()}
	var b scan.Builder
	detection := *f
	if !c.Detect {
		detection = RuleFiles{}
	}
	rs.Detect, rs.Refused = detect.Compile(detection.Detection, detection.Pipelines, &b, o)
	redaction := f.Redaction
	if !rs.redacted {
		redaction = nil
	}
	var err error
	rs.Redact, err = redact.Compile(redaction, keys, &b, redact.Options{Action: c.RedactAction})
	if err != nil {
		return nil, err
	}
	rs.Scan = b.Build()
	rs.Detect.Bind(rs.Scan)
	return rs, nil
}

// version is a hash over names and contents of all files.
func (f *RuleFiles) version() string {
	h := xxh3.New()
	for _, list := range [][]detect.Source{f.Detection, f.Pipelines} {
		for _, s := range list {
			fmt.Fprintf(h, "%s %d\n%s", s.Name, len(s.Data), s.Data)
		}
	}
	for _, s := range f.Redaction {
		fmt.Fprintf(h, "%s %d\n%s", s.Name, len(s.Data), s.Data)
	}
	sum := h.Sum128().Bytes()
	return hex.EncodeToString(sum[:8])
}
