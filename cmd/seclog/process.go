package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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
	Logsource string   `help:"auto: a record's log source is what a pipeline says; any: every detection rule looks at every record." enum:"auto,any" default:"auto"`
	TimeKey   string   `help:"Field with the record's time, for json; else @timestamp or time." placeholder:"KEY"`
}

// Help is shown below the flags.
func (processCommand) Help() string {
	return `One JSON document per record goes to standard output, in the records' order; a summary goes to standard error.

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
	out := stream.New(s.out)
	in, err := plugin.New(plugin.Options{Config: conf, Rules: rules, Destination: out, Log: func(l plugin.Level, line string) {
		if l <= plugin.Warn {
			fmt.Fprintln(s.err, "seclog:", line)
		}
	}})
	if err != nil {
		return err
	}
	start := time.Now()
	err = input{format: c.Format, timeKey: c.TimeKey, now: time.Now}.chunks(s.in, func(chunk []byte) error {
		if in.Flush(context.Background(), "stdin", chunk) != plugin.OK {
			return fmt.Errorf("write: %w", cmp.Or(out.Err(), errors.New("documents were not taken")))
		}
		return nil
	})
	summary(s.err, in, time.Since(start))
	return errors.Join(err, in.Close())
}

// config is the plugin's configuration for this command.
func (c *processCommand) config() (*config.Config, error) {
	onOff := map[bool]string{true: "On", false: "Off"}
	keys := map[string]string{
		"hosts":          "http://stdout.invalid", // required, never asked
		"index":          "seclog",
		"rules_path":     strings.Join(c.Rules, ","),
		"rules_builtin":  onOff[!c.NoBuiltin],
		"retry_wait_min": "1ms", "retry_wait_max": "1ms", "retry_timeout": "1ms",
	}
	return config.Load(func(key string) string { return keys[strings.ToLower(key)] })
}

func summary(w io.Writer, in *plugin.Instance, took time.Duration) {
	n := in.Counts()
	records := n.Records.Load()
	fmt.Fprintf(w, "seclog: %d records, %d documents, %d dead letters, %d dropped, %d alerts (%d rules fired), %d redactions",
		records, n.Documents.Load(), n.Unusable.Load()+in.Delivery().Dead.Load(), n.Dropped.Load(), n.Alerts.Load(), n.Fired.Load(), n.Cuts.Load())
	if records > 0 {
		fmt.Fprintf(w, ", %.1f µs a record", float64(took.Microseconds())/float64(records))
	}
	fmt.Fprintln(w)
}
