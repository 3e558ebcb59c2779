package encode

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// A string means what encoding/json says that it means.
func TestAppendString_ReadsBack(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{"plain text, eight and more", `"`, `\`, "\n", "\x00", "\x1f", "\x7f", "é", "한국", "\u2028", "\xff", "\xe2\x82", "😀", `{"a":"b"}`, "12345678"}
	for range 20_000 {
		var text []byte
		for range r.IntN(12) {
			text = append(text, parts[r.IntN(len(parts))]...)
		}
		dst := append(make([]byte, 0, r.IntN(40)), "before"...)
		dst = appendString(dst, text)
		var got string
		if err := json.Unmarshal(dst[len("before"):], &got); err != nil {
			t.Fatalf("%q: %s: %v", text, dst, err)
		}
		quoted, err := json.Marshal(string(text))
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(quoted, &want); err != nil {
			t.Fatal(err)
		}
		if got != want || string(dst[:6]) != "before" {
			t.Fatalf("%q became %q, want %q", text, got, want)
		}
	}
}

// A long text that is cut off inside its last letter costs no more than a
// whole one: looked at again from each letter on, 1 MB would take minutes.
func TestAppendString_InvalidEnd(t *testing.T) {
	t.Parallel()
	for _, letter := range []string{"é", "한a", "é\xff", "12345678é"} {
		whole := strings.Repeat(letter, 1<<20/len(letter))
		begin := time.Now()
		got := string(appendString(nil, []byte(whole+"\xed\x95")))
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%q: 1 MB took %s", letter, took)
		}
		if want := `"` + strings.ReplaceAll(whole, "\xff", "\uFFFD") + "\uFFFD\uFFFD\""; got != want {
			t.Errorf("%q is not written as it is", letter)
		}
	}
}

func BenchmarkAppendString(b *testing.B) {
	for name, line := range map[string]string{
		"java":   "2026-11-23 20:11:00.123 WARN  [http-nio-8080-exec-38] com.example.catalog.OrderService : Request to /internal/accounts took 2087 ms; java.sql.SQLTimeoutException at com.example.db.Pool.take(Pool.java:519) id=98199",
		"json":   `{"level":"info","ts":"2026-11-23T20:11:00.123654376Z","caller":"orders/handler.go:94","msg":"session token refreshed","request":"9a84d20cdc651488","user_id":781,"duration_ms":0}`,
		"korean": "주문 처리 중 오류가 발생했습니다: 결제 시간이 초과되었습니다. 다시 시도해 주세요.",
	} {
		text, dst := []byte(line), make([]byte, 0, 1000)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				dst = appendString(dst[:0], text)
			}
		})
	}
}
