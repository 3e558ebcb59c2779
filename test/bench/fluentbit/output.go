package main

import (
	"fmt"
	"slices"
	"strings"
)

// output is one [OUTPUT] section to measure.
type output struct {
	name   string // in -outputs and in the table
	about  string
	plugin string // Fluent Bit's name of it
	sink   bool   // it sends to the sink
	keys   func(o options, port int, state string) []string
}

// allOutputs are the sections that can be asked for.
func allOutputs() []output {
	opensearch := func(more ...string) func(options, int, string) []string {
		return func(_ options, port int, _ string) []string {
			// With its own Buffer_Size of 512 KB it cannot read the answer to a
			// chunk of 2 MB, and sends it again for ever.
			return append([]string{
				"Host 127.0.0.1", fmt.Sprintf("Port %d", port), "Index seclog-test", "Suppress_Type_Name On",
				"Buffer_Size 16M", "Workers 2", "Retry_Limit no_limits",
			}, more...)
		}
	}
	seclog := func(more ...string) func(options, int, string) []string {
		return func(o options, port int, state string) []string {
			keys := append([]string{
				fmt.Sprintf("Hosts http://127.0.0.1:%d", port), "Index seclog-test", "State_Path " + state,
				"Workers 2", "Retry_Limit no_limits",
			}, more...)
			for key := range strings.SplitSeq(o.extra, ";") {
				if key = strings.TrimSpace(key); key != "" {
					keys = append(keys, key)
				}
			}
			return keys
		}
	}
	return []output{
		{name: "null", about: "reads, parses, throws away", plugin: "null", keys: func(options, int, string) []string { return nil }},
		{name: "opensearch", about: "Fluent Bit's own output in C, Buffer_Size 16M", plugin: "opensearch", sink: true, keys: opensearch()},
		{name: "opensearch-ids", about: "the same with Generate_ID On", plugin: "opensearch", sink: true, keys: opensearch("Generate_ID On")},
		{name: "opensearch-gzip", about: "the same with Compress gzip", plugin: "opensearch", sink: true, keys: opensearch("Compress gzip")},
		{name: "seclog", about: "detection, redaction, ids", plugin: "seclog", sink: true, keys: seclog()},
		{name: "seclog-gzip", about: "the same with Compress gzip", plugin: "seclog", sink: true, keys: seclog("Compress gzip")},
		{name: "seclog-bare", about: "Detect Off, Redact Off", plugin: "seclog", sink: true, keys: seclog("Detect Off", "Redact Off")},
	}
}

// redacts says whether no planted key may come through.
func (o output) redacts() bool { return o.name == "seclog" || o.name == "seclog-gzip" }

func outputNames() []string {
	var names []string
	for _, o := range allOutputs() {
		names = append(names, o.name)
	}
	return names
}

func chooseOutputs(list string) ([]output, error) {
	var chosen []output
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(allOutputs(), func(o output) bool { return o.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no output %q: it is one of %s", name, strings.Join(outputNames(), ", "))
		}
		if slices.ContainsFunc(chosen, func(o output) bool { return o.name == name }) {
			return nil, fmt.Errorf("the output %q is asked for twice", name)
		}
		chosen = append(chosen, allOutputs()[i])
	}
	return chosen, nil
}

func needsPlugin(outputs []output) bool {
	return slices.ContainsFunc(outputs, func(o output) bool { return o.plugin == "seclog" })
}

// parsers is the parsers file: the CRI format as Fluent Bit ships it.
const parsers = `[PARSER]
    Name        cri
    Format      regex
    Regex       ^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<message>.*)$
    Time_Key    time
    Time_Format %Y-%m-%dT%H:%M:%S.%L%z
    Time_Keep   On
`

// place is where one run finds what it needs.
type place struct {
	log, parsers, plugins, state string
	http, sink                   int // ports
}

// configText is fluent-bit.conf for one run.
func configText(o options, out output, p place) string {
	var b strings.Builder
	section := func(name string, keys ...string) {
		fmt.Fprintf(&b, "[%s]\n", name)
		for _, k := range keys {
			fmt.Fprintf(&b, "    %s\n", k)
		}
	}
	service := []string{
		"Flush 1", "Grace 30", "Daemon Off", "Log_Level warn", "Parsers_File " + p.parsers,
		"HTTP_Server On", "HTTP_Listen 127.0.0.1", fmt.Sprintf("HTTP_Port %d", p.http),
	}
	if out.plugin == "seclog" {
		service = append(service, "Plugins_File "+p.plugins)
	}
	section("SERVICE", service...)
	in := []string{"Name tail", "Tag bench.log", "Path " + p.log, "Read_from_Head On", "Parser cri"}
	if o.memory != "" {
		in = append(in, "Mem_Buf_Limit "+o.memory)
	}
	section("INPUT", in...)
	section("FILTER", "Name record_modifier", "Match *", "Record cluster prod-eu", "Record node worker-7", "Record namespace shop")
	section("OUTPUT", append([]string{"Name " + out.plugin, "Match *"}, out.keys(o, p.sink, p.state)...)...)
	return b.String()
}
