package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/seclog/seclog/plugin"
	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/plugin/redact"
	"github.com/seclog/seclog/rules"
)

type checkCommand struct {
	Paths     []string `arg:"" optional:"" name:"path" help:"Files and folders of rules; none: the built-in rules."`
	NoBuiltin bool     `help:"Check the paths without the built-in pipelines, which say what a record's log source is."`
	KeyFile   string   `help:"Keys for rules that hash." placeholder:"FILE"`
}

// Help is shown below the flags.
func (checkCommand) Help() string {
	return `Exit status: 0 all rules loaded and all examples held, 1 something was refused, 2 the command could not work.

Examples:
  seclog check
  seclog check ./rules ./sigma/rules/linux`
}

// Run checks the rules.
func (c *checkCommand) Run(s *streams) error {
	if len(c.Paths) == 0 && c.NoBuiltin {
		return errors.New("check: no path, and --no-builtin: nothing to check")
	}
	if c.KeyFile != "" {
		// Known now, since it is no fault of a rule.
		if _, err := redact.LoadKeys(c.KeyFile); err != nil {
			return err
		}
	}
	var files plugin.RuleFiles
	for _, p := range c.Paths {
		if err := files.AddPath(p); err != nil {
			if pathErr := (*fs.PathError)(nil); !errors.As(err, &pathErr) {
				err = fmt.Errorf("%s: %w", p, err)
			}
			return err
		}
	}
	root := "pipelines"
	if len(c.Paths) == 0 {
		root = "."
	}
	if !c.NoBuiltin {
		if err := files.Add(rules.FS, root, "builtin"); err != nil {
			return err
		}
	}
	conf := &config.Config{Detect: true, Redact: config.RedactOn, KeyFile: c.KeyFile}
	refused := 0
	refuse := func(line string) {
		refused++
		fmt.Fprintln(s.out, paint(s, "refused", "31")+" "+line)
	}
	rs, err := files.Compile(conf, detect.Options{})
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			refuse(strings.TrimSuffix(line, "\n"))
		}
		fmt.Fprintln(s.out, "the first error ends the loading of redaction rules; those behind it were not looked at")
		// Detection stands on its own and is told as well.
		files.Redaction = nil
		if rs, err = files.Compile(conf, detect.Options{}); err != nil {
			return err
		}
	}
	for _, r := range append(rs.Refused, rs.Detect.RunExamples()...) {
		line := fmt.Sprintf("%s:%d: ", r.File, r.Line)
		if r.Rule != "" { // a file that could not be read has none
			line += r.Rule + ": "
		}
		refuse(line + r.Reason)
	}
	for _, err := range rs.Redact.RunExamples() {
		refuse(err.Error())
	}
	fmt.Fprintf(s.out, "%s %d detection rules, %d redaction rules, %d pipelines; %d refused\n",
		paint(s, "loaded", "32"), len(rs.Detect.Rules()), len(rs.Redact.Detectors()), len(files.Pipelines), refused)
	if refused > 0 {
		return exitCode(exitFindings)
	}
	return nil
}

// paint colours a word where the terminal takes it.
func paint(s *streams, word, color string) string {
	if !s.color {
		return word
	}
	return "\x1b[" + color + "m" + word + "\x1b[0m"
}
