package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/test/data"
	"github.com/seclog/seclog/test/host"
)

// host plays Fluent Bit: it loads the plugin over the C interface and hands it
// the files' lines as Fluent Bit's tail input and cri parser would.
func (j *job) host(ctx context.Context) error {
	bin, err := host.Build(ctx, j.dir)
	if err != nil {
		return err
	}
	so, err := filepath.Abs(pluginPath)
	if err != nil {
		return err
	}
	keys := map[string]string{}
	for _, kv := range j.outputKeys() {
		keys[kv[0]] = kv[1]
	}
	var bad error
	chunks := func(yield func(string, []byte) bool) {
		for _, f := range j.manifest.Files {
			name := f.Name
			lines, err := data.Lines(j.files[name])
			if err != nil {
				bad = fmt.Errorf("%s: %w", name, err)
				return
			}
			offset := 0
			for part := range slices.Chunk(lines, 200) {
				c := new(decodetest.Chunk)
				for _, l := range part {
					c.Record(decodetest.Time(l.Time), decodetest.Map{
						"log_path", "/var/log/containers/" + name, "log_offset", offset,
						"stream", l.Stream, "_p", "F", "log", l.Log,
					})
					offset += len(l.Log) + len("2026-11-23T20:11:00.123456789Z stdout F \n")
				}
				if !yield("kube."+strings.TrimSuffix(name, ".log"), c.Bytes()) {
					return
				}
			}
		}
	}
	ended := make(chan error, 1)
	go func() {
		report, err := host.Run(ctx, bin, host.Script{
			Plugin: so, Outputs: []map[string]string{keys}, Chunks: chunks,
			Threads: 2, RetryEvery: 200 * time.Millisecond, Grace: 30 * time.Second,
		})
		if err == nil {
			err = bad
		}
		if err == nil && report.Final.Error+report.Final.Dropped > 0 {
			err = fmt.Errorf("%d chunks were given up", report.Final.Error+report.Final.Dropped)
		}
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, report.Stderr)
		}
		ended <- err
	}()
	if err := j.wait(ctx, ended); err != nil {
		return err
	}
	// wait may have taken the end already, when it saw the last document then.
	select {
	case err = <-ended:
	case <-time.After(time.Minute):
		err = fmt.Errorf("the host did not end")
	}
	return err
}
