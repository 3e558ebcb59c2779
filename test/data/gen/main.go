// Command gen writes the log files of package data and their manifest anew.
//
//	go run ./test/data/gen              into test/data
//	go run ./test/data/gen DIR          into DIR
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/seclog/seclog/test/data"
)

func main() {
	dir := filepath.Join("test", "data")
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if err := run(dir); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	files, m, err := data.Generate(data.Seed, data.Start())
	if err != nil {
		return err
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	total := 0
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), files[name], 0o644); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		total += len(files[name])
	}
	fmt.Printf("%d lines in %d files, %d bytes; %d attacks, %d secrets, %d look-alikes\n",
		m.Lines, len(m.Files), total, len(m.Attacks), len(m.Secrets), len(m.LookAlikes))
	return nil
}
