package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/seclog/seclog/plugin"
	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/deliver/stream"
	"github.com/seclog/seclog/plugin/detect"
)

type processCommand struct {
	Format    string   `help:"What standard input holds: ${enum}." enum:"json,text,cri,msgpack" default:"text"`
	Rules     []string `help:"File or folder of rules, beside the built-in ones; may be repeated." placeholder:"PATH" sep:"none"`
	NoBuiltin bool     `help:"Leave the built-in rules out."`
	Logsource string   `help:"auto: a record's log source is what a pipeline says; any: every detection rule that names a field looks at every record." enum:"auto,any" default:"auto"`
	TimeKey   string   `help:"Field with the record's time, for json; else @timestamp or time." placeholder:"KEY"`
	KeyFile   string   `help:"Keys for rules that hash." placeholder:"FILE"`
}

// Help is shown below the flags.
func (processCommand) Help() string {
	return `One JSON document per record goes to standard output, in the records' order; a summary goes to standard error. In json, a line that holds no object is taken as text. A record that cannot be
read becomes a dead letter, which holds none of its content.

Exit status: 0 every record became a document or was dropped by a rule, 1 some became dead letters, 2 the command
could not work: wrong arguments, unreadable files, a redaction rule that cannot be used, an output that broke.

Examples:
  kubectl logs deploy/web | seclog process
  seclog process --format cri < /var/log/containers/web.log | jq 'select(.event.kind == "alert")'
  seclog process --format json --rules ./sigma --logsource any < events.ndjson`
}

// Run processes standard input to its end.
func (c *processCommand) Run(s *streams) error {
	conf, err := c.config()
	if err != nil {
		return err
	}
	rules, err := plugin.LoadRules(conf, detect.Options{AnyLogsource: c.Logsource == "any"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := stream.New(&output{s.out, cancel})
	start := time.Now()
	in, err := plugin.New(plugin.Options{
		Config: conf, Rules: rules, Destination: out,
		// Its clock stands still: whoever reads standard output may take any
		// time over it, and no document is late.
		Now: func() time.Time { return start },
		Log: func(l plugin.Level, line string) {
			if l <= plugin.Warn {
				fmt.Fprintln(s.err, "seclog:", line)
			}
		},
	})
	if err != nil {
		return err
	}
	lines := &input{format: c.Format, timeKey: c.TimeKey, now: time.Now}
	err = lines.chunks(s.in, func(chunk []byte) error {
		if in.Flush(ctx, "stdin", chunk) != plugin.OK {
			return fmt.Errorf("write: %w", cmp.Or(out.Err(), errors.New("documents were not taken")))
		}
		return nil
	})
	if lines.noObject > 0 {
		fmt.Fprintf(s.err, "seclog: %d lines held no JSON object and were taken as text\n", lines.noObject)
	}
	summary(s.err, in, time.Since(start))
	if err := errors.Join(err, in.Close()); err != nil {
		return err
	}
	if in.Delivery().Dead.Load() > 0 {
		return exitCode(exitFindings)
	}
	return nil
}

// output ends the work when its writer breaks, which no second attempt mends.
type output struct {
	w     io.Writer
	broke func()
}

// Write writes b.
func (o *output) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil {
		o.broke()
	}
	return n, err
}

// config is the plugin's configuration for this command.
func (c *processCommand) config() (*config.Config, error) {
	for _, p := range c.Rules {
		if strings.Contains(p, ",") {
			return nil, fmt.Errorf("--rules %s: a path with a comma cannot be used", p)
		}
	}
	onOff := map[bool]string{true: "On", false: "Off"}
	keys := map[string]string{
		"hosts":         "http://stdout.invalid", // required, never asked
		"index":         "seclog",
		"rules_path":    strings.Join(c.Rules, ","),
		"rules_builtin": onOff[!c.NoBuiltin],
		"key_file":      c.KeyFile,
		// Dead letters go to standard output as well, or nowhere: this file
		// takes nothing, so that a line that cannot be written is an error
		// and never a trace on the machine.
		"dead_letter_path": os.DevNull,
	}
	return config.Load(func(key string) string { return keys[strings.ToLower(key)] })
}

func summary(w io.Writer, in *plugin.Instance, took time.Duration) {
	n := in.Counts()
	records := n.Records.Load()
	fmt.Fprintf(w, "seclog: %d records, %d documents, %d dead letters, %d dropped, %d alerts (%d rules fired), %d redactions",
		records, n.Documents.Load(), in.Delivery().Dead.Load(), n.Dropped.Load(), n.Alerts.Load(), n.Fired.Load(), n.Cuts.Load())
	if records > 0 {
		fmt.Fprintf(w, ", %.1f µs a record", float64(took.Microseconds())/float64(records))
	}
	fmt.Fprintln(w)
}
