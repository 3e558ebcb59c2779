package sink_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seclog/seclog/test/bench/sink"
)

func start(t *testing.T, o sink.Options) *sink.Sink {
	t.Helper()
	s, err := sink.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func send(t *testing.T, method, url, encoding string, body []byte) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestBulk_Answers(t *testing.T) {
	const create = `{"create":{"_index":"logs","_id":"a1"}}` + "\n" + `{"m":1}` + "\n"
	cases := []struct {
		name, url, body string
		want            string // of the answer, "took" aside
	}{
		{"filtered", "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason", create + create,
			`{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}`},
		{"full", "/_bulk?filter_path=items", create,
			`{"items":[{"create":{"_index":"logs","_id":"a1","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":0,"_primary_term":1,"status":201}}]}`},
		{"index of the path", "/here/_bulk?filter_path=items.*._index,items.*._id", `{"index":{"_id":"é"}}` + "\n{}\n",
			`{"items":[{"index":{"_index":"here","_id":"é"}}]}`},
		{"spaces and escapes", "/_bulk?filter_path=items.*._id", `{ "create" : { "_index" : "i", "_id" : "a\"b" } }` + "\n{}\n",
			`{"items":[{"create":{"_id":"a\"b"}}]}`},
		{"an _id left to the server", "/_bulk?filter_path=errors", `{"create":{"_index":"i"}}` + "\n{}\n", `{"errors":false}`},
		{"delete has no document", "/_bulk?filter_path=items.*.status", `{"delete":{"_index":"i","_id":"1"}}` + "\n" + create,
			`{"items":[{"delete":{"status":200}},{"create":{"status":201}}]}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, sink.Options{})
			status, got := send(t, http.MethodPost, s.URL()+c.url, "", []byte(c.body))
			if status != http.StatusOK || got != c.want {
				t.Errorf("status %d\n got %s\nwant %s", status, got, c.want)
			}
		})
	}
}

func TestBulk_FullAnswerIsJSONOfARealAnswersSize(t *testing.T) {
	s := start(t, sink.Options{})
	var body strings.Builder
	const docs = 1000
	for i := range docs {
		fmt.Fprintf(&body, `{"create":{"_index":"seclog-test","_id":"AAAAAAAAAAAAAAAAAA%06d"}}`+"\n{}\n", i)
	}
	_, got := send(t, http.MethodPost, s.URL()+"/_bulk", "", []byte(body.String()))
	var answer struct {
		Took   *int
		Errors *bool
		Items  []map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(got), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Took == nil || answer.Errors == nil || *answer.Errors || len(answer.Items) != docs {
		t.Errorf("took %v, errors %v, %d items", answer.Took, answer.Errors, len(answer.Items))
	}
	if each := len(got) / docs; each < 180 || each > 210 {
		t.Errorf("%d bytes an item, want about 190", each)
	}
}

func TestBulk_Counts(t *testing.T) {
	s := start(t, sink.Options{DistinctIDs: true, Needles: []string{"hunter2"}})
	body := []byte(`{"create":{"_index":"i","_id":"1"}}` + "\n" + `{"p":"hunter2"}` + "\n" +
		`{"create":{"_index":"i","_id":"2"}}` + "\n" + `{}` + "\n" + `{"index":{"_index":"i"}}` + "\n" + `{}` + "\n")
	if status, got := send(t, http.MethodPost, s.URL()+"/_bulk", "", body); status != 200 {
		t.Fatal(status, got)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if status, got := send(t, http.MethodPost, s.URL()+"/_bulk", "gzip", packed.Bytes()); status != 200 {
		t.Fatal(status, got)
	}
	want := sink.Counts{Documents: 6, IDs: 2, NoID: 2, Requests: 2, Needles: 2,
		Sent: int64(len(body) + packed.Len()), Unpacked: int64(2 * len(body))}
	if got := s.Counts(); got != want {
		t.Errorf("counts %+v\nwant   %+v", got, want)
	}
	if _, got := send(t, http.MethodGet, s.URL()+"/i/_count", "", nil); !strings.HasPrefix(got, `{"count":6,`) {
		t.Errorf("_count says %s", got)
	}
	s.Reset()
	if got := s.Counts(); got != (sink.Counts{}) {
		t.Errorf("after Reset %+v", got)
	}
}

func TestBulk_RefusesAndCountsNothing(t *testing.T) {
	cases := []struct {
		name, method, url, encoding, body string
		status                            int
	}{
		{"empty", "POST", "/_bulk", "", "", 400},
		{"no newline at the end", "POST", "/_bulk", "", `{"create":{"_index":"i"}}` + "\n{}", 400},
		{"no JSON", "POST", "/_bulk", "", "hello\n{}\n", 400},
		{"no such action", "POST", "/_bulk", "", `{"upsert":{"_index":"i"}}` + "\n{}\n", 400},
		{"two actions", "POST", "/_bulk", "", `{"create":{"_index":"i"},"index":{}}` + "\n{}\n", 400},
		{"no document", "POST", "/_bulk", "", `{"create":{"_index":"i"}}` + "\n", 400},
		{"a document that is no object", "POST", "/_bulk", "", `{"create":{"_index":"i"}}` + "\n17\n", 400},
		{"no index", "POST", "/_bulk", "", `{"create":{}}` + "\n{}\n", 400},
		{"comma at the end", "POST", "/_bulk", "", `{"create":{"_index":"i",}}` + "\n{}\n", 400},
		{"no gzip", "POST", "/_bulk", "gzip", "hello", 400},
		{"no such encoding", "POST", "/_bulk", "br", "hello", 415},
		{"no such path", "GET", "/nothing", "", "", 404},
		{"no such method", "DELETE", "/_bulk", "", "", 404},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, sink.Options{})
			status, got := send(t, c.method, s.URL()+c.url, c.encoding, []byte(c.body))
			if status != c.status {
				t.Errorf("status %d, want %d: %s", status, c.status, got)
			}
			var answer struct {
				Status int
				Error  struct{ Type, Reason string }
			}
			if err := json.Unmarshal([]byte(got), &answer); err != nil || answer.Status != c.status || answer.Error.Reason == "" {
				t.Errorf("answer %s (%v)", got, err)
			}
			if n := s.Counts().Documents; n != 0 {
				t.Errorf("%d documents counted", n)
			}
		})
	}
}

func TestRoot_GivesTheVersion(t *testing.T) {
	s := start(t, sink.Options{})
	status, got := send(t, http.MethodGet, s.URL()+"/", "", nil)
	var root struct {
		Version struct{ Distribution, Number string }
	}
	if err := json.Unmarshal([]byte(got), &root); err != nil {
		t.Fatal(err)
	}
	if status != 200 || root.Version.Number != sink.Version || root.Version.Distribution != "opensearch" {
		t.Errorf("status %d, %+v", status, root)
	}
	if status, got := send(t, http.MethodHead, s.URL(), "", nil); status != 200 || got != "" {
		t.Errorf("HEAD: status %d, body %q", status, got)
	}
}

func FuzzBulk(f *testing.F) {
	f.Add([]byte(`{"create":{"_index":"i","_id":"1"}}` + "\n{}\n"))
	f.Add([]byte(`{"delete":{"_index":"i","_id":"\u00e9"}}` + "\n\n"))
	f.Add([]byte(`{"index":{}}` + "\n"))
	s, err := sink.Start(sink.Options{DistinctIDs: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		status, got := send(t, http.MethodPost, s.URL()+"/_bulk", "", body)
		if status != 200 && status != 400 {
			t.Errorf("status %d", status)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("answer is no JSON: %q", got)
		}
	})
}
