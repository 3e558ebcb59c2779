package faults

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seclog/seclog/plugin"
)

// rowsState are faults of what a node keeps and believes: its dead letters, its clock, its keys, and the server's word.
func rowsState() []row {
	return []row{
		{29, "the disk of dead letters full, read-only, open to others, another's, gone, with half a line", ofMachine, deadDisk},
		{31, "clocks an hour off, in 1970 and 2106, at summer time's ends and leap seconds, and clocks that jump", ofMachine, clocks},
		{39, "the key file changed between attempts", ofAgent, keyRotated},
		{40, "the server says 201 and then loses it", ofServer, translogLost},
	}
}

// deadDisk breaks the one place where dead letters can go.
func deadDisk(p *play) {
	c := newCourse(p.t, "fault-29-disk")
	disk := mountTmpfs(c.t, "64k")
	folder := filepath.Join(disk, "dead")
	c.file = filepath.Join(folder, "letters.ndjson")
	do := func(method, path string, body any) {
		c.t.Helper()
		if err := c.server.Do(c.t.Context(), method, path, body, nil); err != nil {
			c.t.Fatal(err)
		}
	}
	do("PUT", "/"+c.index, `{"mappings":{"dynamic":"strict","properties":{"@timestamp":{"type":"date_nanos"},"n":{"type":"integer"},"log":{"type":"text"}}}}`)
	do("PUT", "/"+c.dead(), `{"settings":{"index.blocks.write":true}}`)
	a := c.agent(c.server.URL, nil, nil)
	letters := 0
	poison := func() {
		a.send(c.chunks(1, 10, "unwanted", "poison")...)
		letters += 10
	}
	poison()
	c.drain(a, 2*schedulerCap)
	run := func(name string, args ...string) {
		c.t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			c.t.Fatalf("%s: %v %s", name, err, out)
		}
	}
	must := func(err error) {
		c.t.Helper()
		if err != nil {
			c.t.Fatal(err)
		}
	}
	filler, gone := filepath.Join(disk, "filler"), filepath.Join(disk, "gone")
	for _, f := range []struct {
		name       string
		begin, end func()
	}{
		{"full", func() {
			// Of 64 kB none is left.
			_ = os.WriteFile(filler, make([]byte, 1<<20), 0o600) // it ends with an error when the disk is full
		}, func() { must(os.Remove(filler)) }},
		{"read-only", func() { run("mount", "-o", "remount,ro", disk) }, func() { run("mount", "-o", "remount,rw", disk) }},
		{"open to others", func() { must(os.Chmod(folder, 0o777)) }, func() { must(os.Chmod(folder, 0o700)) }},
		{"another's", func() { must(os.Chown(folder, 12345, 12345)) }, func() { must(os.Chown(folder, 0, 0)) }},
		{"gone", func() { must(os.Rename(folder, gone)); must(os.WriteFile(folder, nil, 0o600)) },
			func() { must(os.Remove(folder)); must(os.Rename(gone, folder)) }},
	} {
		before, lines := a.left(), len(c.deadLines())
		f.begin()
		poison()
		// Enough good ones that the poison, given again and again, does not look like a broken template.
		a.send(c.chunks(1, 400)...)
		c.stuck(a, before+1, 500*time.Millisecond)
		f.end()
		took := c.drain(a, 2*schedulerCap)
		if now := len(c.deadLines()); now != lines+10 {
			c.t.Errorf("%s: %d lines of dead letters, want %d", f.name, now, lines+10)
		}
		c.t.Logf("%s: delivered %s after its end", f.name, took.Round(time.Millisecond))
	}
	// A writer that was killed leaves half a line.
	const half = `{"id":"half","document":"{\"n\":0`
	file, err := os.OpenFile(c.file, os.O_APPEND|os.O_WRONLY, 0)
	must(err)
	_, err = file.WriteString(half)
	must(err)
	must(file.Close())
	poison()
	c.drain(a, 2*schedulerCap)
	text, err := os.ReadFile(c.file)
	must(err)
	whole := bytes.Replace(text, []byte(half+"\n"), nil, 1)
	if len(whole) != len(text)-len(half)-1 {
		c.t.Error("the half line does not stand alone")
	}
	must(os.WriteFile(c.file, whole, 0o600))
	c.wantTold("dead letters cannot be written")
	c.exact(letters)
}

// clocks has records written at a clock's time by a plugin with this clock, while the server refuses at first.
func clocks(p *play) {
	c := newCourse(p.t, "fault-31-clock")
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		berlin = time.FixedZone("CET", 3600)
		c.t.Logf("NOT TESTED: a zone with summer time: %v", err)
	}
	now := time.Now().UTC()
	want := map[int]time.Time{}
	for _, k := range []struct {
		name string
		at   time.Time
		zone *time.Location
		jump time.Duration // of the clock, while the server refuses; half of it back later
	}{
		{"right", now, time.UTC, 0},
		{"an hour ahead", now.Add(time.Hour), time.UTC, 0},
		{"an hour behind", now.Add(-time.Hour), time.UTC, 0},
		{"1970", time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC), time.UTC, 0},
		{"2106", time.Date(2106, 2, 7, 6, 28, 10, 0, time.UTC), time.UTC, 0},
		{"summer time begins", time.Date(2026, 3, 29, 0, 59, 59, 0, time.UTC), berlin, 0},
		{"summer time ends", time.Date(2026, 10, 25, 0, 59, 59, 0, time.UTC), berlin, 0},
		{"midnight in Berlin", time.Date(2026, 7, 1, 22, 0, 0, 0, time.UTC), berlin, 0},
		{"a leap second", time.Date(2016, 12, 31, 23, 59, 59, 0, time.UTC), time.UTC, 0},
		{"jumps ahead", now, time.UTC, time.Hour},
		{"jumps back", now, time.UTC, -time.Hour},
	} {
		began := time.Now()
		var jumped, requests atomic.Int64
		f := newFront(c.t, c.server.URL, nil)
		f.watch(func(w http.ResponseWriter, r *http.Request) bool {
			if requests.Add(1) > 3 {
				return true
			}
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return false
		})
		c.at = func(n int) time.Time {
			want[n] = k.at.Add(time.Duration(n%3) * time.Second)
			return want[n]
		}
		a := c.agent(f.url, map[string]string{"Index": c.index + "-%Y.%m.%d", "Index_Max_Age": "30d"}, func(o *plugin.Options) {
			o.Now = func() time.Time { return k.at.Add(time.Since(began) + time.Duration(jumped.Load())).In(k.zone) }
		})
		a.send(c.chunks(3, 10)...)
		for end := time.Now().Add(5 * time.Second); requests.Load() == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
		jumped.Store(int64(k.jump))
		took := c.drain(a, 3*schedulerCap)
		c.t.Logf("%s: delivered after %s, %d requests, %d flushes", k.name, took.Round(time.Millisecond), requests.Load(), a.flushes.Load())
		if n := requests.Load(); n > 40 {
			c.t.Errorf("%s: %d requests: the waits did not grow", k.name, n)
		}
		jumped.Store(int64(k.jump / 2))
		a.send(c.chunks(1, 10)...)
		c.drain(a, 2*schedulerCap)
	}
	for doc, err := range c.documents(c.index + "*") {
		if err != nil {
			c.t.Fatal(err)
		}
		var d struct {
			N    int       `json:"n"`
			Time time.Time `json:"@timestamp"`
		}
		if err := json.Unmarshal(doc.Source, &d); err != nil {
			c.t.Fatal(err)
		}
		at := want[d.N].UTC()
		if index := c.index + at.Format("-2006.01.02"); doc.Index != index || d.Time.Unix() != at.Unix() {
			c.t.Errorf("record %d of %s is in %s with %s, want %s", d.N, at, doc.Index, d.Time, index)
		}
	}
	c.t.Log("NOT TESTED: the whole process under libfaketime: Go asks the kernel for the time and not libc, so the plugin would not see it")
	c.exact(0)
}

// swallow has a front bring each request to the server and lose the answer.
func swallow(p *play, server string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		req, err := http.NewRequestWithContext(p.t.Context(), r.Method, server+r.URL.RequestURI(), r.Body)
		if err == nil {
			req.Header = r.Header.Clone()
			var res *http.Response
			if res, err = http.DefaultClient.Do(req); err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close() // it is read
			}
		}
		if err != nil {
			p.t.Error(err)
		}
		http.Error(w, "lost", http.StatusBadGateway)
		return false
	}
}

// keyRotated has what the first attempt wrote with one key be sent again with another: hashes differ, ids do not.
func keyRotated(p *play) {
	c := newCourse(p.t, "fault-39-key")
	file := filepath.Join(c.dir, "hash.keys")
	key := func(name string) []byte {
		return []byte(name + " " + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(name), 16)) + "\n")
	}
	replace(c.t, file, key("K1"))
	f := newFront(c.t, c.server.URL, nil)
	f.watch(swallow(p, c.server.URL))
	keys := map[string]string{"Redact_Action": "hash", "Key_File": file}
	const secret = "AKIAIOSFODNN7EXAMPLQ"
	chunks := append(c.chunks(3, 50, "text", "key "+secret+" used"), c.chunks(3, 50, "text", "key "+secret+" used", "log_path", "/var/log/a", "log_offset", 7)...)
	a := c.agent(f.url, keys, nil)
	a.send(chunks...)
	c.stuck(a, len(chunks), 3*time.Second)
	for end := time.Now().Add(90 * time.Second); c.count().documents < c.sent && time.Now().Before(end); {
		time.Sleep(500 * time.Millisecond)
	}
	a.stop()
	a.wg.Wait()
	first := map[string]int{}
	for doc, err := range c.documents(c.index) {
		if err != nil {
			c.t.Fatal(err)
		}
		first[doc.ID]++
	}
	replace(c.t, file, append(key("K2"), key("K1")...))
	b := c.agent(c.server.URL, keys, nil)
	b.send(chunks...)
	c.drain(b, 2*schedulerCap)
	b.send(c.chunks(1, 50, "text", "key "+secret+" used")...)
	c.drain(b, 2*schedulerCap)
	hashes := map[string]int{}
	for doc, err := range c.documents(c.index) {
		if err != nil {
			c.t.Fatal(err)
		}
		var d struct {
			Text string `json:"text"`
		}
		if err := json.Unmarshal(doc.Source, &d); err != nil {
			c.t.Fatal(err)
		}
		if strings.Contains(d.Text, secret) {
			c.t.Fatalf("a secret left: %s", doc.Source)
		}
		hashes[d.Text]++
	}
	if len(hashes) != 2 || len(first) != c.sent-50 {
		c.t.Errorf("%d ids before the change, want %d; texts %v", len(first), c.sent-50, hashes)
	}
	c.exact(0, fmt.Sprint(b.in.Delivery().Duplicates.Load()), "answered with 409;", len(hashes), "hashes of one secret")
}

// translogLost kills a server that has said 201 for what it had not written yet.
func translogLost(p *play) {
	c := newCourse(p.t, "fault-40-translog")
	const settings = `{"settings":{"index.translog.durability":"async","index.translog.sync_interval":"60s"}}`
	if err := c.server.Do(c.t.Context(), "PUT", "/"+c.index, settings, nil); err != nil {
		c.t.Fatal(err)
	}
	a := c.agent(c.server.URL, nil, nil)
	a.send(c.chunks(20, 100)...)
	c.drain(a, 2*schedulerCap)
	if err := c.server.Kill(); err != nil {
		c.t.Fatal(err)
	}
	if err := c.server.Restart(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	y := c.count()
	c.t.Logf("translog.durability async, SIGKILL after every 201: %s. What is lost is the server's word, which nobody can keep for it", y)
	if y.twice+y.strange+y.letters > 0 {
		c.t.Error("something is there twice, or was never sent")
	}
}
