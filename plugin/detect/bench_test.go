package detect_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/detect"
	"github.com/seclog/seclog/plugin/scan"
	"github.com/tinylib/msgp/msgp"
)

// containerLine is an ordinary record as Fluent Bit's kubernetes filter makes it.
func containerLine() []byte {
	b := msgp.AppendInt64(msgp.AppendArrayHeader(nil, 2), 1)
	b = msgp.AppendMapHeader(b, 4)
	for _, kv := range [][2]string{{"log", "2026-11-23 20:11:09.477 INFO  [exec-7] com.shop.api.ItemController - GET /cart status=201 took=184ms user=7306"}, {"stream", "stdout"}, {"logtag", "F"}} {
		b = msgp.AppendString(msgp.AppendString(b, kv[0]), kv[1])
	}
	b = msgp.AppendMapHeader(msgp.AppendString(b, "kubernetes"), 4)
	for _, kv := range [][2]string{{"namespace_name", "shop"}, {"pod_name", "cart-7d9c5b6f4-x2k4p"}, {"container_name", "cart"}, {"host", "worker-3"}} {
		b = msgp.AppendString(msgp.AppendString(b, kv[0]), kv[1])
	}
	return b
}

// synthetic makes n rules of a web server's log, as many as users load.
func synthetic(n int) []detect.Source {
	var out []detect.Source
	for i := range n {
		out = append(out, detect.Source{Name: fmt.Sprintf("s%d.yml", i), Data: fmt.Appendf(nil, `
title: s%d
logsource: {category: webserver}
detection:
  sel:
    cs-uri-query|contains|all: [path%d, 'value_%d_x']
    cs-method: [GET, POST]
  other:
    cs-user-agent|endswith: 'tool%d/1.0'
  condition: sel or (other and not sel)
`, i, i, i*7, i)})
	}
	return out
}

func lines(tb testing.TB, file string, n int) [][]byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "test", "data", file))
	if err != nil {
		tb.Fatal(err)
	}
	var out [][]byte
	for _, l := range strings.Split(strings.TrimSpace(string(data)), "\n")[:n] {
		out = append(out, logLine(l))
	}
	return out
}

func BenchmarkDetect(b *testing.B) {
	rules := read(b, "detection/*/*.yml")
	for _, set := range []struct {
		name  string
		rules []detect.Source
		any   bool
	}{{"built-in", rules, false}, {"built-in+400", append(rules[:len(rules):len(rules)], synthetic(400)...), false}, {"built-in+400,any", append(rules[:len(rules):len(rules)], synthetic(400)...), true}} {
		e, s := compile(b, set.rules, read(b, "pipelines/*.yml"), detect.Options{AnyLogsource: set.any})
		for _, work := range []struct {
			name   string
			chunks [][]byte
		}{{"container line", [][]byte{containerLine()}}, {"nginx", lines(b, "nginx.log", 30)}, {"audit", lines(b, "audit.log", 20)}, {"sshd", lines(b, "sshd.log", 30)}, {"java", lines(b, "java.log", 30)}} {
			b.Run(set.name+"/"+work.name, func(b *testing.B) {
				ds := make([]detector, len(work.chunks))
				size, fired := 0, 0
				for i, c := range work.chunks {
					ds[i] = detector{engine: e, set: s}
					ds[i].load(b, c)
					size += len(c)
				}
				var st detect.State
				b.SetBytes(int64(size / len(ds)))
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					d := &ds[i]
					if i++; i == len(ds) {
						i = 0
					}
					fired += len(e.Detect(&st, &d.rec, d.found))
				}
				b.ReportMetric(float64(fired)/float64(b.N), "fired/op")
			})
		}
	}
}

// BenchmarkCompile loads the built-in rules and 400 more.
func BenchmarkCompile(b *testing.B) {
	rules, pipes := append(read(b, "detection/*/*.yml"), synthetic(400)...), read(b, "pipelines/*.yml")
	for b.Loop() {
		var sb scan.Builder
		detect.Compile(rules, pipes, &sb, detect.Options{})
	}
}
