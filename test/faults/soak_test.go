package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// sample is what the process held at one moment.
type sample struct {
	at         time.Duration
	goroutines int
	files      int
	heapKB     int
	sent       int
}

// TestSoak has numbered records flow for SECLOG_SOAK, such as 10m, while faults drawn by lot come and go each second or
// so. At the end each is there once, and what the process holds has not grown.
func TestSoak(t *testing.T) {
	text := os.Getenv("SECLOG_SOAK")
	if text == "" {
		t.Skip("NOT TESTED: minutes of random faults; set SECLOG_SOAK to a time such as 10m")
	}
	long, err := time.ParseDuration(text)
	if err != nil || long < 30*time.Second {
		t.Fatalf("SECLOG_SOAK=%q is no time of at least 30s", text)
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SECLOG_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("SECLOG_SEED: %v", err)
		}
	}
	t.Logf("SECLOG_SEED=%d", seed)
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxiproxy tells of each of its faults
	p := newPlay(t, "fault-soak")
	w := newWeather(p, rand.New(rand.NewPCG(seed, 0)))
	a := p.agent("Hosts", w.url, "Timeout", "3s")
	began := time.Now()
	var samples []sample
	next, change := began, began
	for time.Since(began) < long {
		if time.Now().After(change) {
			change = time.Now().Add(w.change())
		}
		if time.Now().After(next) {
			next = next.Add(5 * time.Second)
			samples = append(samples, hold(time.Since(began), p.sent))
		}
		if a.left() < 48 { // the queue has room, so that faults go on changing on time
			a.send(p.chunks(2, 50)...)
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.clear()
	p.ended()
	if left := a.drain(2 * time.Minute); left > 0 {
		t.Errorf("%d chunks are left two minutes after the last fault", left)
	}
	samples = append(samples, hold(time.Since(began), p.sent))
	growth(t, samples, min(time.Minute, long/3))
	t.Logf("%d faults: %v", w.changes, w.drawn)
	p.finish()
}

// hold looks at the process after a collection of garbage.
func hold(at time.Duration, sent int) sample {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return sample{at, goroutines(), files(), int(m.HeapAlloc / 1024), sent}
}

// goroutines counts those that are not toxiproxy's, which leaves some behind whenever its faults change.
func goroutines() (n int) {
	buf := make([]byte, 1<<20)
	for {
		k := runtime.Stack(buf, true)
		if k < len(buf) {
			buf = buf[:k]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	for g := range bytes.SplitSeq(buf, []byte("\n\n")) {
		if !bytes.Contains(g, []byte("Shopify/toxiproxy")) {
			n++
		}
	}
	return n
}

// growth compares what was held soon after the warming up with what was held at last.
func growth(t *testing.T, samples []sample, warm time.Duration) {
	t.Helper()
	for len(samples) > 0 && samples[0].at < warm {
		samples = samples[1:]
	}
	if len(samples) < 4 {
		t.Fatalf("%d samples are too few", len(samples))
	}
	for _, s := range []sample{samples[0], samples[len(samples)/2], samples[len(samples)-1]} {
		t.Logf("%5.0f s: %4d goroutines, %3d files, %6d kB of heap, %d records sent", s.at.Seconds(), s.goroutines, s.files, s.heapKB, s.sent)
	}
	half := len(samples) / 2
	for _, m := range []struct {
		what   string
		of     func(sample) int
		margin int
	}{
		// What is in flight at a moment comes and goes with the faults; the ledger's 10 MB fill up.
		{"goroutines", func(s sample) int { return s.goroutines }, 40},
		{"files", func(s sample) int { return s.files }, 24},
		{"kB of heap", func(s sample) int { return s.heapKB }, 12 << 10},
	} {
		before, after := mean(samples[:half], m.of), mean(samples[half:], m.of)
		t.Logf("%s on average: %.0f in the first half, %.0f in the second", m.what, before, after)
		if after > before+float64(m.margin) {
			t.Errorf("%s grew from %.0f to %.0f", m.what, before, after)
		}
	}
}

func mean(samples []sample, of func(sample) int) float64 {
	sum := 0
	for _, s := range samples {
		sum += of(s)
	}
	return float64(sum) / float64(len(samples))
}

// weather is faults that come and go before the server: of TCP, and behind that of answers.
type weather struct {
	p       *play
	r       *rand.Rand
	url     string
	proxy   *toxiproxy.Proxy
	liar    *liar
	changes int
	drawn   map[string]int
}

func newWeather(p *play, r *rand.Rand) *weather {
	l := p.liar()
	u, err := url.Parse(l.url)
	if err != nil {
		p.t.Fatal(err)
	}
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "soak", "127.0.0.1:0", u.Host)
	if err := proxy.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { proxy.Stop() })
	return &weather{p: p, r: r, url: "http://" + proxy.Listen, proxy: proxy, liar: l, drawn: map[string]int{}}
}

// clear ends all faults.
func (w *weather) clear() {
	w.proxy.Toxics.ResetToxics(w.p.t.Context())
	w.liar.tell(nil)
	if !w.proxy.Enabled {
		if err := w.proxy.Start(); err != nil {
			w.p.t.Fatal(err)
		}
	}
}

// change draws the next fault and says how long it stays.
func (w *weather) change() time.Duration {
	w.clear()
	w.changes++
	toxic := func(kind string, attributes map[string]any) {
		stream := []string{"upstream", "downstream"}[w.r.IntN(2)]
		text, err := json.Marshal(map[string]any{"name": kind, "type": kind, "stream": stream, "attributes": attributes})
		if err == nil {
			_, err = w.proxy.Toxics.AddToxicJson(bytes.NewReader(text))
		}
		if err != nil {
			w.p.t.Fatal(err)
		}
		w.drawn[kind]++
	}
	status := func(code int) {
		w.liar.tell(func(rw http.ResponseWriter, _ *asked) { http.Error(rw, "{}", code) })
		w.drawn[fmt.Sprint(code)]++
	}
	switch w.r.IntN(9) {
	case 0, 1:
		w.drawn["none"]++
	case 2:
		toxic("latency", map[string]any{"latency": w.r.IntN(800), "jitter": w.r.IntN(200)})
	case 3:
		toxic("reset_peer", map[string]any{"timeout": w.r.IntN(300)})
	case 4:
		toxic("limit_data", map[string]any{"bytes": 1 + w.r.IntN(8000)})
	case 5:
		toxic("bandwidth", map[string]any{"rate": 1 + w.r.IntN(100)})
	case 6:
		w.proxy.Stop()
		w.drawn["down"]++
	case 7:
		status(http.StatusTooManyRequests)
	case 8:
		status(http.StatusServiceUnavailable)
	}
	return time.Duration(500+w.r.IntN(1000)) * time.Millisecond
}
