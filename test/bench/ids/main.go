// Command ids shows what the ids of documents cost the server: it indexes as many small documents under ids of each kind
// into a real OpenSearch and sends them a second time, as after a lost answer.
//
//	go run ./test/bench/ids -docs 1000000
//
// An id that the server did not make itself has to be looked up, and costs the more the more of the index has to be
// looked at: ids that share what they begin with and grow with time are found to be new at once.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/seclog/seclog/plugin/decode"
	"github.com/seclog/seclog/plugin/decode/decodetest"
	"github.com/seclog/seclog/plugin/encode"
	"github.com/seclog/seclog/test/servers"
)

func main() {
	docs := flag.Int("docs", 1_000_000, "documents of each kind")
	rounds := flag.Int("rounds", 1, "how often each kind is measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *docs, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "ids:", err)
		os.Exit(1)
	}
}

// bulkDocs is how many documents a request holds.
const bulkDocs = 2000

// kind is a way to make ids. next gives those of the next request, an empty one where the server shall make it.
type kind struct {
	name string
	next func(chunk int) []string
}

func kinds() ([]kind, error) {
	ids, err := encode.NewIDs([32]byte{1}, "node-1")
	if err != nil {
		return nil, err
	}
	positions := ids.NewPositions("log_path", "log_offset", []string{"log"})
	return []kind{
		{"the server's own", func(int) []string { return make([]string, bulkDocs) }},
		{"ours, by chunk", func(chunk int) []string {
			c := ids.Chunk(ids.Fingerprint("kube.bench", []byte(strconv.Itoa(chunk))), 0, second(chunk))
			list := make([]string, bulkDocs)
			for i := range list {
				var id [encode.IDSize]byte
				c.Write(&id, i)
				list[i] = string(id[:])
			}
			return list
		}},
		{"ours, by position", func(chunk int) []string {
			c := new(decodetest.Chunk)
			for i := range bulkDocs {
				c.Record(decodetest.EventTime{Sec: uint32(second(chunk)), Nsec: uint32(i)}, decodetest.Map{
					"log", line(chunk, i), "log_path", "/var/log/containers/web-0_shop_web.log", "log_offset", (chunk*bulkDocs + i) * 100,
				})
			}
			var list []string
			var r decode.Reader
			var rec decode.Record
			positions.Begin("kube.bench")
			for r.Reset(c.Bytes()); ; {
				var id [encode.IDSize]byte
				if ok, err := r.Next(&rec); !ok || err != nil || !positions.Write(&id, &rec) {
					return list // shorter than it should be if any record was not read, which send sees
				}
				list = append(list, string(id[:]))
			}
		}},
		{"random, 15 bytes", func(int) []string {
			list := make([]string, bulkDocs)
			for i := range list {
				var b [15]byte
				_, _ = rand.Read(b[:]) // never fails: it ends the process instead
				list[i] = base64.RawURLEncoding.EncodeToString(b[:])
			}
			return list
		}},
	}, nil
}

// second is the time of a chunk: five of them share one.
func second(chunk int) int64 { return 1_795_464_660 + int64(chunk/5) }

func line(chunk, i int) string {
	return fmt.Sprintf("INFO 1 --- [nio-8080-exec-%d] c.e.shop.order.OrderService : order %d accepted, items=%d", i%9, chunk*bulkDocs+i, i%7)
}

// cost is what one kind took.
type cost struct {
	wall, cpu, again time.Duration // cpu: the server's; again: its CPU when all is sent a second time
	bytes            int64         // of the index
}

func run(ctx context.Context, docs, rounds int) error {
	list, err := kinds()
	if err != nil {
		return err
	}
	server, err := servers.StartOpenSearch(ctx, servers.Options{Heap: "1g"})
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }() // its end is the process's
	// The server's code is slow until it has run for a while.
	for i, k := range list[:2] {
		if _, err := measure(ctx, server, k, fmt.Sprint("ids-warm-", i), 150); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	best := make([]cost, len(list))
	for round := range rounds {
		for i, k := range list {
			got, err := measure(ctx, server, k, fmt.Sprintf("ids-%d-%d", round, i), docs/bulkDocs)
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d: %s: %s\n", round+1, k.name, got.wall.Round(time.Millisecond))
			if round == 0 || got.cpu < best[i].cpu {
				best[i] = got
			}
		}
	}
	n := time.Duration(docs / bulkDocs * bulkDocs)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "ids of %d documents\tserver CPU, µs a document\twall, µs a document\tsent again: CPU, µs\tindex MB\n", n)
	for i, k := range list {
		c := best[i]
		again := "stored twice"
		if k.next(0)[0] != "" {
			again = fmt.Sprintf("%.1f", micros(c.again, n))
		}
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%s\t%.0f\n", k.name, micros(c.cpu, n), micros(c.wall, n), again, float64(c.bytes)/1e6)
	}
	return w.Flush()
}

func micros(total, n time.Duration) float64 { return float64(total.Nanoseconds()) / float64(n) / 1000 }

func measure(ctx context.Context, server *servers.Server, k kind, index string, chunks int) (c cost, err error) {
	settings := `{"settings":{"number_of_shards":1,"number_of_replicas":0,"refresh_interval":"5s"}}`
	if err := server.Do(ctx, http.MethodPut, "/"+index, settings, nil); err != nil {
		return c, err
	}
	defer func() { _ = server.Do(ctx, http.MethodDelete, "/"+index, nil, nil) }() // only to save space
	sent := make([][]string, chunks)
	pass := func(ids func(chunk int) []string, want int) (wall, cpu time.Duration, err error) {
		began, before := time.Now(), usage(server.Pid())
		for chunk := range chunks {
			if err := send(ctx, server, index, chunk, ids(chunk), want); err != nil {
				return 0, 0, err
			}
		}
		wall = time.Since(began)
		return wall, usage(server.Pid()) - before, server.Refresh(ctx, index)
	}
	if c.wall, c.cpu, err = pass(func(chunk int) []string { sent[chunk] = k.next(chunk); return sent[chunk] }, 201); err != nil {
		return c, err
	}
	if n, err := server.Count(ctx, index); err != nil || n != chunks*bulkDocs {
		return c, fmt.Errorf("%d documents of %d: %w", n, chunks*bulkDocs, err)
	}
	if sent[0][0] != "" {
		if _, c.again, err = pass(func(chunk int) []string { return sent[chunk] }, 409); err != nil {
			return c, err
		}
	}
	if err := server.Do(ctx, http.MethodPost, "/"+index+"/_forcemerge?max_num_segments=1", nil, nil); err != nil {
		return c, err
	}
	var stats struct {
		All struct {
			Primaries struct {
				Store struct {
					Bytes int64 `json:"size_in_bytes"`
				} `json:"store"`
			} `json:"primaries"`
		} `json:"_all"`
	}
	err = server.Do(ctx, http.MethodGet, "/"+index+"/_stats/store", nil, &stats)
	c.bytes = stats.All.Primaries.Store.Bytes
	return c, err
}

// send indexes the documents of a chunk and looks that each was answered with the status that it should be.
func send(ctx context.Context, server *servers.Server, index string, chunk int, ids []string, want int) error {
	var body bytes.Buffer
	if len(ids) != bulkDocs {
		return fmt.Errorf("%d ids of %d", len(ids), bulkDocs)
	}
	for i, id := range ids {
		action := `{"create":{}}`
		if id != "" {
			action = `{"create":{"_id":"` + id + `"}}`
		}
		fmt.Fprintf(&body, "%s\n{\"@timestamp\":\"%s\",\"log\":%q,\"log_offset\":%d}\n", action,
			time.Unix(second(chunk), int64(i)).UTC().Format(time.RFC3339Nano), line(chunk, i), (chunk*bulkDocs+i)*100)
	}
	var answer struct {
		Items []struct {
			Create struct {
				Status int `json:"status"`
			} `json:"create"`
		} `json:"items"`
	}
	if err := server.Do(ctx, http.MethodPost, "/"+index+"/_bulk?filter_path=items.*.status", body.Bytes(), &answer); err != nil {
		return err
	}
	if len(answer.Items) != bulkDocs {
		return fmt.Errorf("%d answers for %d documents", len(answer.Items), bulkDocs)
	}
	for _, item := range answer.Items {
		if item.Create.Status != want {
			return fmt.Errorf("a document was answered with %d, not %d", item.Create.Status, want)
		}
	}
	return nil
}

// usage is the CPU that a process has used; 0 where that cannot be read.
// Source: proc(5), /proc/pid/stat: utime and stime are the 14th and 15th field, in ticks of 10 ms.
func usage(pid int) time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
