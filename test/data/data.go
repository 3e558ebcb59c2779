// Package data holds the log lines that tests and the demonstration run on:
// one file per workload, each line in the form in which a container runtime
// writes it (CRI), with attacks and secrets planted among ordinary lines and
// look-alikes.
//
// The files are made by Generate from a fixed seed and checked in:
//
//	go run ./test/data/gen
//
// Every secret is made up. None has ever opened anything.
package data

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Seed is the seed of the files that are checked in.
const Seed = 20261123

// ManifestName is the name of the file that lists what was planted.
const ManifestName = "manifest.json"

//go:embed *.log manifest.json
var files embed.FS

// Start is the time of the first line of each checked-in file.
func Start() time.Time { return time.Date(2026, 11, 23, 20, 11, 0, 123456789, time.UTC) }

// File says what one file of the set holds.
type File struct {
	Name      string `json:"name"`      // nginx.log
	Workload  string `json:"workload"`  // what wrote the lines
	Namespace string `json:"namespace"` // the Kubernetes namespace it would run in
	Lines     int    `json:"lines"`
	Bytes     int    `json:"bytes"`
	// First and Last are the times of the first and the last line; each line
	// of a file has a time of its own.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Attack is a line that a detection rule is expected to name.
type Attack struct {
	File      string `json:"file"`
	Line      int    `json:"line"`      // counted from 1
	Event     string `json:"event"`     // a name of this set: sshd_failed_root
	Technique string `json:"technique"` // ATT&CK: T1110
}

// Secret is text that must not leave the node.
type Secret struct {
	File  string `json:"file"`
	Line  int    `json:"line"` // counted from 1
	Kind  string `json:"kind"` // credit_card, email, password, …
	Value string `json:"value"`
}

// LookAlike is text that resembles a secret, is none, and has to survive.
type LookAlike struct {
	File  string `json:"file"`
	Line  int    `json:"line"` // counted from 1
	Kind  string `json:"kind"` // uuid, digest, order_number, …
	Value string `json:"value"`
}

// Manifest lists the files and what was planted in them.
type Manifest struct {
	Seed       uint64      `json:"seed"`
	Lines      int         `json:"lines"`
	Files      []File      `json:"files"`
	Attacks    []Attack    `json:"attacks"`
	Secrets    []Secret    `json:"secrets"`
	LookAlikes []LookAlike `json:"look_alikes"`
}

// Load reads the checked-in manifest.
func Load() (*Manifest, error) {
	b, err := files.ReadFile(ManifestName)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	m := new(Manifest)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("parse manifest: %w", err)
	}
	return m, nil
}

// Read gives the bytes of one checked-in file.
//
// Bytes: the caller's own copy.
func Read(name string) ([]byte, error) {
	b, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read log lines: %w", err)
	}
	return b, nil
}

// Line is one line taken apart as Fluent Bit's cri parser does it.
type Line struct {
	Time    time.Time
	Stream  string // stdout or stderr
	Partial bool   // the line goes on in the next one
	Log     string // the text that the workload wrote
}

// ParseLine takes a CRI line, without its line end, apart.
//
// Errors: the line is not in CRI form.
func ParseLine(s string) (Line, error) {
	part := strings.SplitN(s, " ", 4)
	if len(part) != 4 || (part[2] != "F" && part[2] != "P") || (part[1] != "stdout" && part[1] != "stderr") {
		return Line{}, fmt.Errorf("not a CRI line: %.60q", s)
	}
	t, err := time.Parse(time.RFC3339Nano, part[0])
	if err != nil {
		return Line{}, fmt.Errorf("time of a CRI line: %w", err)
	}
	return Line{Time: t, Stream: part[1], Partial: part[2] == "P", Log: part[3]}, nil
}

// Lines takes a whole file apart.
func Lines(file []byte) ([]Line, error) {
	var out []Line
	for n, s := range strings.Split(strings.TrimSuffix(string(file), "\n"), "\n") {
		l, err := ParseLine(s)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		out = append(out, l)
	}
	return out, nil
}
