// Package path measures the way of a record from Fluent Bit's bytes to an
// answered bulk request, next to the way that is written first everywhere.
package path

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/fluent/fluent-bit-go/output"
	opensearch "github.com/opensearch-project/opensearch-go/v2"
	"github.com/opensearch-project/opensearch-go/v2/opensearchutil"

	"github.com/seclog/seclog/plugin"
	"github.com/seclog/seclog/plugin/config"
	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/plugin/encode"
	"github.com/seclog/seclog/plugin/redact"
	"github.com/seclog/seclog/plugin/scan"
	"github.com/seclog/seclog/test/data"
)

const records = 5000

// corpus makes a chunk of container records in four shapes. rich of 100 lines
// hold a secret.
func corpus(rich int) []byte {
	secrets := []string{
		"card 4111 1111 1111 1111", "user alice.smith@corp-mail.kr", "password=Summer2026!x", "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
		"AKIA" + "QZ7KX3MJ5N2PLW4R", "postgres://app:s3cr3tPw@db:5432/app",
	}
	c := new(decodetest.Chunk)
	start := data.Start()
	for i := range records {
		t := start.Add(time.Duration(i) * time.Millisecond)
		var line string
		switch i % 4 {
		case 0:
			line = fmt.Sprintf(`10.42.%d.%d - - [23/Nov/2026:20:11:%02d +0000] "GET /api/v1/items/%d?page=%d HTTP/1.1" 200 %d "https://shop.example.com/" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" rt=0.%03d uct=0.001`, i%250, i%199, i%60, i, i%7, i*13%9000, i%1000)
		case 1:
			line = fmt.Sprintf(`{"level":30,"time":%d,"pid":17,"hostname":"web-6d4cf56db6-%05d","reqId":"req-%x","req":{"method":"POST","url":"/cart/%d"},"res":{"statusCode":201},"responseTime":%d,"msg":"request completed"}`, t.UnixMilli(), i%99999, i*7919, i, i%300)
		case 2:
			line = fmt.Sprintf(`Nov 23 20:11:%02d node-%d sshd[%d]: Accepted publickey for deploy from 10.0.%d.%d port %d ssh2: ED25519 SHA256:%043d`, i%60, i%9, 1000+i, i%250, i%250, 30000+i%30000, i)
		case 3:
			line = fmt.Sprintf(`2026-11-23 20:11:%02d.%03d  INFO 1 --- [nio-8080-exec-%d] c.e.shop.order.OrderService               : order %d accepted, items=%d total=%d.%02d EUR tracking=%08x-1111-4222-8333-%012x`, i%60, i%1000, i%9, i, i%9, i%500, i%100, i*31, i*17)
		}
		if i%100 < rich {
			line += " " + secrets[i%len(secrets)]
		}
		c.Record(decodetest.Time(t), decodetest.Map{
			"stream", "stdout", "_p", "F", "log", line,
			"cluster", "prod-eu-1", "node", "worker-17", "region", "eu-central-1",
		})
	}
	return c.Bytes()
}

// sink answers every bulk request as a server does that took everything.
func sink(tb testing.TB) *httptest.Server {
	short := bytes.Repeat([]byte(`{"create":{"status":201}},`), records+1)
	long := bytes.Repeat([]byte(`{"create":{"_index":"seclog-2026.11.23","_id":"AAAAAAAAAAAAAAAAAAAA","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":12345,"_primary_term":1,"status":201}},`), records+1)
	buffers := sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf, _ := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		n := 0
		for {
			k, err := r.Body.Read(*buf)
			n += bytes.Count((*buf)[:k], []byte{'\n'})
			if err != nil {
				break
			}
		}
		n /= 2
		item, one := long, len(long)/(records+1)
		if r.URL.Query().Has("filter_path") {
			item, one = short, len(short)/(records+1)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"took":1,"errors":false,"items":[`))
		_, _ = w.Write(item[:max(0, n*one-1)])
		_, _ = w.Write([]byte(`]}`))
	}))
	tb.Cleanup(s.Close)
	return s
}

func settings(tb testing.TB, url string) *config.Config {
	keys := map[string]string{"hosts": url, "index": "seclog-%Y.%m.%d", "state_path": tb.TempDir(), "index_max_age": "3650d"}
	c, err := config.Load(func(k string) string { return keys[strings.ToLower(k)] })
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func corpora() map[string][]byte { return map[string][]byte{"plain": corpus(2), "rich": corpus(78)} }

// BenchmarkWhole measures both ways, the answering server with them. What counts
// is the CPU of all threads: the naive way keeps more than one busy.
func BenchmarkWhole(b *testing.B) {
	ours := map[string]float64{}
	for _, name := range []string{"plain", "rich"} {
		chunk := corpora()[name]
		b.Run("seclog/"+name, func(b *testing.B) {
			in, err := plugin.New(plugin.Options{Config: settings(b, sink(b).URL)})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = in.Close() }()
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			began := cpu(b)
			for b.Loop() {
				if in.Flush(context.Background(), "kube.bench", chunk) != plugin.OK {
					b.Fatal("not delivered")
				}
			}
			ours[name] = perRecord(b, began)
		})
		b.Run("naive/"+name, func(b *testing.B) {
			client, err := opensearch.NewClient(opensearch.Config{Addresses: []string{sink(b).URL}})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			began := cpu(b)
			for b.Loop() {
				naive(b, client, chunk)
			}
			if took := perRecord(b, began); ours[name] > 0 {
				b.ReportMetric(took/ours[name], "x-seclog-cpu")
			}
		})
	}
}

// cpu is the time that this process has used, of all threads.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// perRecord reports what a record took since began, and gives the CPU of it in
// nanoseconds.
func perRecord(b *testing.B, began time.Duration) float64 {
	used := float64((cpu(b) - began).Nanoseconds()) / float64(b.N) / records
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
	b.ReportMetric(used, "cpu-ns/record")
	return used
}

// naive is the way that is written first: maps, a loop of regular expressions,
// encoding/json, the library's bulk indexer.
func naive(b *testing.B, client *opensearch.Client, chunk []byte) {
	bi, err := opensearchutil.NewBulkIndexer(opensearchutil.BulkIndexerConfig{Client: client, Index: "seclog", NumWorkers: 1})
	if err != nil {
		b.Fatal(err)
	}
	dec := output.NewDecoder(unsafe.Pointer(&chunk[0]), len(chunk))
	for {
		ret, ts, record := output.GetRecord(dec)
		if ret != 0 {
			break
		}
		doc := map[string]any{}
		for k, v := range record {
			if s, ok := v.([]byte); ok {
				v = redactNaively(string(s))
			}
			doc[fmt.Sprint(k)] = v
		}
		if t, ok := ts.(output.FLBTime); ok {
			doc["@timestamp"] = t.Format(time.RFC3339Nano)
		}
		line, err := json.Marshal(doc)
		if err != nil {
			b.Fatal(err)
		}
		if err := bi.Add(context.Background(), opensearchutil.BulkIndexerItem{Action: "create", Body: bytes.NewReader(line)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := bi.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}

var expressions = func() (list []*regexp.Regexp) {
	for _, e := range []string{
		`\b(?:\d[ -]*?){13,16}\b`, `[\w.+-]+@[\w-]+\.[\w.]+`, `AKIA[0-9A-Z]{16}`, `(?i)bearer [a-z0-9._-]+`, `(?i)password["']?\s*[:=]\s*["']?[^\s"',}]+`,
		`\d{3}-\d{2}-\d{4}`, `eyJ[\w-]+\.[\w-]+\.[\w-]+`, `ghp_[0-9A-Za-z]{36}`, `://[^:/\s]+:[^@/\s]+@`, `-----BEGIN [A-Z ]*PRIVATE KEY-----`,
	} {
		list = append(list, regexp.MustCompile(e))
	}
	return list
}()

func redactNaively(s string) string {
	for _, e := range expressions {
		s = e.ReplaceAllString(s, "[REDACTED]")
	}
	return s
}

// BenchmarkStages measures each stage alone, on what the ones before it gave.
func BenchmarkStages(b *testing.B) {
	for _, name := range []string{"plain", "rich"} {
		chunk := corpora()[name]
		c := settings(b, "http://nowhere.invalid")
		rs, err := plugin.LoadRules(c, detect.Options{})
		if err != nil {
			b.Fatal(err)
		}
		walk := func(f func(rec *decode.Record)) {
			var r decode.Reader
			var rec decode.Record
			r.Reset(chunk)
			for {
				ok, err := r.Next(&rec)
				if err != nil {
					b.Fatal(err)
				}
				if !ok {
					return
				}
				f(&rec)
			}
		}
		stage := func(what string, once func()) {
			b.Run(what+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				began := cpu(b)
				for b.Loop() {
					once()
				}
				perRecord(b, began)
			})
		}
		stage("decode", func() { walk(func(*decode.Record) {}) })
		// The hits of each record, found beforehand.
		var found [][]scan.Found
		walk(func(rec *decode.Record) {
			var f []scan.Found
			for i := range rec.Nodes {
				if h := rs.Scan.Scan(rec.Text(&rec.Nodes[i]), nil); len(h) > 0 && rec.Nodes[i].Kind == decode.Str {
					f = append(f, scan.Found{Node: int32(i), Hits: h})
				}
			}
			found = append(found, f)
		})
		var hits []scan.Hit
		stage("decode+scan", func() {
			walk(func(rec *decode.Record) {
				for _, f := range rec.Fields {
					if !f.Same {
						hits = rs.Scan.Scan(rec.Text(&rec.Nodes[f.Node]), hits[:0])
					}
				}
			})
		})
		var forDetect detect.State
		stage("decode+detect", func() {
			walk(func(rec *decode.Record) { rs.Detect.Detect(&forDetect, rec, found[rec.Place]) })
		})
		var forRedact redact.State
		stage("decode+redact", func() {
			walk(func(rec *decode.Record) { rs.Redact.Redact(&forRedact, rec, found[rec.Place]) })
		})
		e := encode.New(&encode.Config{
			TimeKey: "@timestamp", TimeNanos: true, Index: encode.NewIndex(c.Index, c.IndexMaxAge, c.IndexMax),
			Framing: encode.Framing{
				Open:  func(dst []byte, index, id string) []byte { return append(append(dst, index...), id...) },
				Close: func(dst []byte) []byte { return append(dst, '\n') },
			},
		})
		var body []byte
		var input encode.Input
		stage("decode+encode", func() {
			body = body[:0]
			e.Forget()
			walk(func(rec *decode.Record) {
				input.Record, input.First = rec, rec.Sec
				body, _ = e.Append(body, &input)
			})
		})
	}
}
