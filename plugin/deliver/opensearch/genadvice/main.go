// Command genadvice writes the table of advice into README.md, between its
// markers.
//
//	go run ./plugin/deliver/opensearch/genadvice
package main

import (
	"fmt"
	"os"

	"github.com/seclog/seclog/plugin/deliver/opensearch"
)

func main() {
	if err := run("README.md"); err != nil {
		fmt.Fprintln(os.Stderr, "genadvice:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("run it in the project's folder: %w", err)
	}
	want, err := opensearch.SpliceAdvice(string(text))
	if err != nil || want == string(text) {
		return err
	}
	return os.WriteFile(path, []byte(want), 0o644)
}
