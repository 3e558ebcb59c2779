// Command seclog looks at log lines as the plugin does, without Fluent Bit and
// without a server, checks rules, and sends dead letters again.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
)

// Exit statuses.
const (
	exitOK       = 0
	exitFindings = 1 // something was refused
	exitUsage    = 2 // wrong arguments, unreadable files
)

type commands struct {
	Process processCommand `cmd:"" help:"Tag and redact log lines from standard input."`
	Check   checkCommand   `cmd:"" help:"Load rules, run their examples and say what was refused."`
	Replay  replayCommand  `cmd:"" help:"Send dead letters again, each to its own index under its own _id."`
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	color    bool
}

func main() {
	// Results are coloured, and they go to standard output.
	info, err := os.Stdout.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	os.Exit(run(os.Args[1:], &streams{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		color: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}))
}

// run is main without the process: it gives the exit status.
func run(args []string, s *streams) int {
	var c commands
	status := -1
	parser, err := kong.New(&c,
		kong.Name("seclog"),
		kong.Description("Tags and redacts container logs as the plugin for Fluent Bit (out_seclog.so) does, and checks rules.\n\n"+
			"Examples:\n  kubectl logs deploy/web | seclog process\n  seclog check ./rules"),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { status = code }),
		kong.Bind(s),
	)
	if err != nil {
		fmt.Fprintln(s.err, "seclog:", err)
		return exitUsage
	}
	ctx, err := parser.Parse(args)
	if status >= 0 { // --help
		return status
	}
	if err != nil {
		fmt.Fprintln(s.err, "seclog:", err)
		return exitUsage
	}
	if err := ctx.Run(s); err != nil {
		if code := exitCode(0); errors.As(err, &code) {
			return int(code)
		}
		fmt.Fprintln(s.err, "seclog:", err)
		return exitUsage
	}
	return exitOK
}

// exitCode is an error that was already told.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }
