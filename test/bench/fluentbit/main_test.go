package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seclog/seclog/test/bench/corpus"
	"github.com/seclog/seclog/test/bench/sink"
)

func TestParseMetrics(t *testing.T) {
	const page = `# HELP fluentbit_output_proc_records_total Number of processed output records.
# TYPE fluentbit_output_proc_records_total counter
fluentbit_output_proc_records_total{name="seclog.0"} 1000000
fluentbit_output_proc_records_total{name="null.0"} 1.5e+06 1764000000000
fluentbit_output_proc_bytes_total{name="null.0"} 17
fluentbit_output_retries_total{name="null.0"} 3
fluentbit_output_proc_records_total{name="bad.0"} many
`
	cases := []struct {
		name    string
		want    metrics
		wantErr bool
	}{
		{name: "seclog.0", want: metrics{processed: 1_000_000}},
		{name: "null.0", want: metrics{processed: 1_500_000, retries: 3}},
		{name: "opensearch.0"},
		{name: "bad.0", wantErr: true},
	}
	for _, c := range cases {
		got, err := parseMetrics(strings.NewReader(page), c.name)
		if got != c.want || (err != nil) != c.wantErr {
			t.Errorf("%s: %+v, %v; want %+v, error %v", c.name, got, err, c.want, c.wantErr)
		}
	}
}

func TestParsePeak(t *testing.T) {
	got, err := parsePeak("Name:\tfluent-bit\nVmPeak:\t  900000 kB\nVmHWM:\t  100000 kB\nVmRSS:\t 5 kB\n")
	if err != nil || got != 102.4 {
		t.Errorf("%v MB, %v; want 102.4", got, err)
	}
	for _, bad := range []string{"", "Name:\tx\n", "VmHWM:\tmuch kB\n"} {
		if _, err := parsePeak(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestChooseOutputs(t *testing.T) {
	got, err := chooseOutputs("seclog, null")
	if err != nil || len(got) != 2 || got[0].name != "seclog" || got[1].name != "null" {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "kafka", "null,null"} {
		if _, err := chooseOutputs(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestConfigText_SeclogIsGivenItsKeys(t *testing.T) {
	chosen, err := chooseOutputs("seclog-gzip")
	if err != nil {
		t.Fatal(err)
	}
	got := configText(options{memory: "50M", extra: "Bulk_Size 2M; ;Log_Key message"}, chosen[0],
		place{log: "/l/cri.log", parsers: "/l/p", plugins: "/l/plugins", state: "/l/state", http: 2020, sink: 9200})
	for _, want := range []string{
		"Plugins_File /l/plugins\n", "Mem_Buf_Limit 50M\n", "Hosts http://127.0.0.1:9200\n", "State_Path /l/state\n",
		"Workers 2\n", "Compress gzip\n", "    Bulk_Size 2M\n    Log_Key message\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func outcome(name string, sunk *sink.Counts, processed int64, cpu ...time.Duration) result {
	r := result{}
	for _, o := range allOutputs() {
		if o.name == name {
			r.output = o
		}
	}
	for _, c := range cpu {
		r.runs = append(r.runs, once{cpu: c, peakMB: 80, processed: processed, sunk: sunk})
	}
	return r
}

func TestWriteTable(t *testing.T) {
	var b strings.Builder
	all := &sink.Counts{Documents: 1_000_000, IDs: 1_000_000}
	writeTable(&b, []result{
		outcome("null", nil, 1_000_000, 5*time.Second, 4*time.Second, 9*time.Second),
		outcome("opensearch", all, 1_000_000, 8*time.Second, 7*time.Second, 8*time.Second),
		outcome("seclog", all, 1_000_000, 7*time.Second, 6*time.Second),
	}, corpus.Stats{Lines: 1_000_000, Bytes: 226_000_000})
	for _, want := range []string{
		"| null | 5.00 | 5.00 4.00 9.00 | – | – | 80 | 0.0 | 1000000 |",
		"| opensearch | 8.00 | 8.00 7.00 8.00 | 3.00 | 1.00 | 80 |",
		"| seclog | 6.50 | 7.00 6.00 | 1.50 | 0.50 | 80 |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no line %q in\n%s", want, b.String())
		}
	}
}

func TestVerify(t *testing.T) {
	stats := corpus.Stats{Lines: 100, Keys: 3}
	cases := []struct {
		name string
		r    result
		want string
	}{
		{"all", outcome("seclog", &sink.Counts{Documents: 100, IDs: 100}, 100, 1), ""},
		{"null read all", outcome("null", nil, 100, 1), ""},
		{"null read less", outcome("null", nil, 99, 1), "99 documents for 100 lines"},
		{"twice", outcome("opensearch", &sink.Counts{Documents: 200, Needles: 6}, 100, 1), "200 documents for 100 lines"},
		{"one _id twice", outcome("seclog", &sink.Counts{Documents: 100, IDs: 99}, 100, 1), "99 different _ids"},
		{"a key came through", outcome("seclog-gzip", &sink.Counts{Documents: 100, IDs: 100, Needles: 1}, 100, 1), "1 of 3 planted keys"},
		{"keys of bare seclog", outcome("seclog-bare", &sink.Counts{Documents: 100, IDs: 100, Needles: 3}, 100, 1), ""},
		{"keys not seen", outcome("opensearch", &sink.Counts{Documents: 100, Needles: 0}, 100, 1), "does not see them"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := verify([]result{c.r}, stats)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// A program that ends at once stands in for a Fluent Bit that refuses its
// configuration: the run must end with what it said, not wait.
func TestRun_SaysWhatFluentBitSaid(t *testing.T) {
	program := filepath.Join(t.TempDir(), "fluent-bit")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho no such key >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := run(ctx, options{fluentBit: program, lines: 10, rounds: 1, outputs: "null", stall: 20 * time.Second}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "ended by itself") || !strings.Contains(err.Error(), "no such key") {
		t.Errorf("error %v", err)
	}
}

func TestRun_RefusesWhatCannotRun(t *testing.T) {
	cases := map[string]options{
		"no lines":   {outputs: "null", lines: 0, rounds: 1},
		"no output":  {outputs: "loki", lines: 1, rounds: 1},
		"no plugin":  {outputs: "seclog", plugin: filepath.Join(t.TempDir(), "none.so"), lines: 1, rounds: 1},
		"no program": {outputs: "null", fluentBit: filepath.Join(t.TempDir(), "none"), lines: 1, rounds: 1},
	}
	for name, o := range cases {
		if err := run(t.Context(), o, io.Discard, io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
