package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// workload is one file's name and the function that writes its lines.
type workload struct {
	name, about, namespace string
	write                  func(*writer)
}

func workloads() []workload {
	return []workload{
		{"nginx", "nginx, access log on stdout and error log on stderr", "web", writeNginx},
		{"postgresql", "PostgreSQL 16, stderr log with log_line_prefix '%m [%p] %q%u@%d '", "db", writePostgres},
		{"java", "a Java service, logback pattern with stack traces", "shop", writeJava},
		{"node", "a Node service, pino JSON", "shop", writeNode},
		{"sshd", "sshd, lines as journald prints them", "node-system", writeSSHD},
		{"sudo", "sudo, lines as journald prints them", "node-system", writeSudo},
		{"kubelet", "kubelet, klog", "kube-system", writeKubelet},
		{"containerd", "containerd, logfmt", "node-system", writeContainerd},
		{"dockerd", "dockerd, logfmt", "node-system", writeDockerd},
		{"audit", "Kubernetes audit log, one JSON event a line", "kube-system", writeAudit},
		{"falco", "Falco, JSON output", "falco", writeFalco},
		{"leaky", "an application that prints what it should not", "payments", writeLeaky},
	}
}

// Generate makes all files and their manifest: the same seed and start give
// the same bytes. The result's keys are file names, the manifest's among them.
func Generate(seed uint64, start time.Time) (map[string][]byte, *Manifest, error) {
	m := &Manifest{Seed: seed}
	out := map[string][]byte{}
	for i, w := range workloads() {
		l := &writer{
			Rand: rand.New(rand.NewPCG(seed, uint64(i)+1)),
			m:    m,
			file: w.name + ".log",
			next: start.UTC(),
		}
		w.write(l)
		if l.err != nil {
			return nil, nil, fmt.Errorf("%s: %w", l.file, l.err)
		}
		out[l.file] = []byte(l.text.String())
		m.Lines += l.lines
		m.Files = append(m.Files, File{
			Name: l.file, Workload: w.about, Namespace: w.namespace,
			Lines: l.lines, Bytes: l.text.Len(), First: start.UTC(), Last: l.last,
		})
	}
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, nil, fmt.Errorf("manifest: %w", err)
	}
	out[ManifestName] = append(b, '\n')
	return out, m, nil
}

// writer writes one file's lines. Not safe for concurrent use.
type writer struct {
	*rand.Rand
	m     *Manifest
	file  string
	text  strings.Builder
	lines int
	next  time.Time // of the line that is written next
	last  time.Time
	err   error
}

// now is the time of the line that is written next.
func (w *writer) now() time.Time { return w.next }

// line writes one line and moves the clock on, so that no two lines of a file
// have the same time.
func (w *writer) line(stream, text string) {
	if strings.ContainsAny(text, "\n\r") {
		w.fail(fmt.Errorf("line %d holds a line end", w.lines+1))
	}
	fmt.Fprintf(&w.text, "%s %s F %s\n", w.next.Format("2006-01-02T15:04:05.000000000Z"), stream, text)
	w.lines++
	w.last = w.next
	w.next = w.next.Add(time.Duration(1+w.IntN(90_000_000)) * time.Nanosecond)
}

func (w *writer) out(format string, a ...any) { w.line("stdout", sprintf(format, a...)) }

// attack writes a line that a detection rule is expected to name.
func (w *writer) attack(event, technique, stream, format string, a ...any) {
	w.line(stream, sprintf(format, a...))
	w.m.Attacks = append(w.m.Attacks, Attack{File: w.file, Line: w.lines, Event: event, Technique: technique})
}

// leak writes a line that holds secrets, given as kind, value, kind, value …
func (w *writer) leak(stream, text string, kindValue ...string) {
	w.line(stream, text)
	w.leaked(text, kindValue...)
}

// leaked notes that the line just written holds secrets.
func (w *writer) leaked(text string, kindValue ...string) {
	for i := 0; i+1 < len(kindValue); i += 2 {
		kind, value := kindValue[i], kindValue[i+1]
		if value == "" || !strings.Contains(text, value) {
			w.fail(fmt.Errorf("line %d does not hold its %s", w.lines, kind))
		}
		w.m.Secrets = append(w.m.Secrets, Secret{File: w.file, Line: w.lines, Kind: kind, Value: value})
	}
}

// innocent writes a line that holds look-alikes, given as kind, value …
func (w *writer) innocent(stream, text string, kindValue ...string) {
	w.line(stream, text)
	for i := 0; i+1 < len(kindValue); i += 2 {
		kind, value := kindValue[i], kindValue[i+1]
		if value == "" || !strings.Contains(text, value) {
			w.fail(fmt.Errorf("line %d does not hold its %s", w.lines, kind))
		}
		w.m.LookAlikes = append(w.m.LookAlikes, LookAlike{File: w.file, Line: w.lines, Kind: kind, Value: value})
	}
}

func (w *writer) fail(err error) { w.err = errors.Join(w.err, err) }

// sprintf is fmt.Sprintf that takes a text without arguments as it is.
func sprintf(format string, a ...any) string {
	if len(a) == 0 {
		return format
	}
	return fmt.Sprintf(format, a...)
}

// spread writes n ordinary lines with the planted ones evenly among them.
func spread(w *writer, n int, ordinary func(i int), planted ...func()) {
	done := 0
	for i := range n {
		ordinary(i)
		for done < len(planted) && (done+1)*n <= (i+1)*(len(planted)+1) {
			planted[done]()
			done++
		}
	}
	for ; done < len(planted); done++ {
		planted[done]()
	}
}

func pick[T any](w *writer, of ...T) T { return of[w.IntN(len(of))] }

func (w *writer) fromAlphabet(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[w.IntN(len(alphabet))]
	}
	return string(b)
}

const (
	digits   = "0123456789"
	hexs     = "0123456789abcdef"
	lower    = "abcdefghijklmnopqrstuvwxyz"
	upper    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	alphanum = upper + lower + digits
)

func (w *writer) hex(n int) string { return w.fromAlphabet(hexs, n) }

func (w *writer) uuid() string {
	return w.hex(8) + "-" + w.hex(4) + "-4" + w.hex(3) + "-" + pick(w, "8", "9", "a", "b") + w.hex(3) + "-" + w.hex(12)
}

// inside is an address of the cluster; outside one of the ranges that are
// kept for documentation.
func (w *writer) inside() string {
	return fmt.Sprintf("10.%d.%d.%d", 40+w.IntN(8), w.IntN(256), 1+w.IntN(254))
}

func (w *writer) outside() string {
	return pick(w, "203.0.113.", "198.51.100.", "192.0.2.") + fmt.Sprint(1+w.IntN(254))
}

// quote is s as a JSON string.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}
