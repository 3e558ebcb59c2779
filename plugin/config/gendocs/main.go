// Command gendocs writes what is printed from the table of keys: the options in
// README.md, fluent-bit.conf, fluent-bit.yaml and plugins.conf.
//
//	go run ./plugin/config/gendocs [-check] [-root folder]
//
// With -check it writes nothing, names the files that differ and exits 1.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seclog/seclog/plugin/config"
)

func main() {
	check := flag.Bool("check", false, "write nothing; exit 1 when a file differs")
	root := flag.String("root", ".", "the project's folder")
	flag.Parse()
	if err := run(*root, *check, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

func run(root string, check bool, out io.Writer) error {
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return fmt.Errorf("-root is to be the project's folder: %w", err)
	}
	files := []struct{ name, want string }{
		{"fluent-bit.conf", config.SampleConf()},
		{"fluent-bit.yaml", config.SampleYAML()},
		{"plugins.conf", config.SamplePlugins()},
	}
	var wrong []error
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(readme) == 0:
		fmt.Fprintln(out, "README.md is not there or empty: skipped")
	case err != nil:
		return err
	default:
		want, err := config.Splice(string(readme))
		if err != nil {
			wrong = append(wrong, fmt.Errorf("README.md: %w", err))
			break
		}
		files = append(files, struct{ name, want string }{"README.md", want})
	}
	for _, f := range files {
		path := filepath.Join(root, f.name)
		got, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil && string(got) == f.want {
			continue
		}
		if check {
			wrong = append(wrong, fmt.Errorf("%s differs from the table of keys: go run ./plugin/config/gendocs", f.name))
			continue
		}
		if err := os.WriteFile(path, []byte(f.want), 0o644); err != nil {
			return err
		}
		fmt.Fprintln(out, "wrote", f.name)
	}
	return errors.Join(wrong...)
}
