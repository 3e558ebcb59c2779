package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seclog/seclog/plugin/decode/decodetest"
)

// TestMain lets scripts call the command as a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"seclog": main})
}

// TestScripts runs testdata/script: arguments and standard input in, output
// and exit status out.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status,
			"chunk":  chunk,
			"lines":  lines,
			"bulk":   bulk,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "")
			env.Setenv("TERM", "xterm")
			env.Values[bulkKey{}] = new(bulkSlot)
			return nil
		},
	})
}

// status is exec with an exact exit status: status 1 seclog check rules.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE COMMAND ARGS...")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = fmt.Sprint(exit.ExitCode())
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, want %s\n%s", got, args[0], ts.ReadFile("stderr"))
	}
}

// chunk writes what Fluent Bit would send for texts at second 1700000000 and
// after: chunk FILE TEXT...
func chunk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: chunk FILE TEXT...")
	}
	c := new(decodetest.Chunk)
	for i, text := range args[1:] {
		c.Record(decodetest.EventTime{Sec: uint32(1_700_000_000 + i)}, decodetest.Map{"log", text})
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), c.Bytes(), 0o600))
}

// lines writes a file of numbered lines: lines FILE COUNT.
func lines(ts *testscript.TestScript, neg bool, args []string) {
	var n int
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines FILE COUNT")
	}
	if _, err := fmt.Sscan(args[1], &n); err != nil {
		ts.Fatalf("%v", err)
	}
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "line %d of many, padded so that some chunks are filled: %0200d\n", i, i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}
