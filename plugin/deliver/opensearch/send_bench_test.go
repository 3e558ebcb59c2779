package opensearch_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seclog/seclog/plugin/deliver"
	"github.com/seclog/seclog/plugin/deliver/opensearch"
)

func BenchmarkSend(b *testing.B) {
	for _, packed := range []bool{false, true} {
		b.Run(fmt.Sprintf("gzip=%v", packed), func(b *testing.B) {
			const n = 5000
			answer := []byte(`{"errors":false,"items":[` + strings.Repeat(`{"create":{"status":201}},`, n-1) + `{"create":{"status":201}}]}`)
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = w.Write(answer)
			}))
			defer srv.Close()
			c, err := opensearch.New(opensearch.Options{Hosts: []string{srv.URL}, Gzip: packed})
			if err != nil {
				b.Fatal(err)
			}
			d, err := deliver.New(deliver.Options{Destination: c})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			l := deliver.NewLedger(10<<20, nil)
			docs := batch(c, n, 300)
			b.SetBytes(int64(len(docs.Body)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, e := l.Claim([16]byte{byte(i), byte(i >> 8), byte(i >> 16)})
				got, err := d.Send(context.Background(), docs, e)
				if err != nil || got.Delivered != n {
					b.Fatal(got, err)
				}
				e.Finish(true)
			}
		})
	}
}
