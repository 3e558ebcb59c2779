package host

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed c
var source embed.FS

// Available says whether host and plugin can be built here, and why not.
func Available() (reason string, ok bool) {
	if _, err := exec.LookPath(Compiler()); err != nil {
		return "no C compiler: " + err.Error(), false
	}
	return "", true
}

// Compiler is the C compiler, $CC or cc.
func Compiler() string {
	if cc := os.Getenv("CC"); cc != "" {
		return cc
	}
	return "cc"
}

// Build compiles the host with the C compiler, $CC or cc, into dir and answers the program's path.
func Build(ctx context.Context, dir string) (string, error) {
	for _, name := range []string{"host.c", "abi.h"} {
		text, err := source.ReadFile("c/" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			return "", fmt.Errorf("build the host: %w", err)
		}
	}
	bin, file := filepath.Join(dir, "host"), filepath.Join(dir, "host.c")
	// -rdynamic is not wanted: the plugin reaches the host through its struct alone.
	return bin, command(ctx, Compiler(), "-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", bin, file, "-ldl")
}

// BuildPlugin builds the Go package in pkg as a shared object at path, with more flags of go build if given.
func BuildPlugin(ctx context.Context, pkg, path string, flags ...string) error {
	args := append([]string{"build", "-buildmode=c-shared", "-o", path}, flags...)
	return command(ctx, "go", append(args, pkg)...)
}

func command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, args[0], err, out)
	}
	return nil
}
