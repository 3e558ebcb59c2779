package encode_test

import (
	"testing"

	"github.com/seclog/seclog/plugin/encode"
)

// TestIDs_Golden freezes the ids: a change here repeats, at upgrade, every
// document that was on its way.
func TestIDs_Golden(t *testing.T) {
	var key [32]byte
	for i := range key {
		key[i] = byte(i)
	}
	ids, err := encode.NewIDs(key, "node-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tag, chunk string
		n          uint32
		sec        int64
		place      int
		want       string
	}{
		{"kube.a", "chunk", 0, 1_795_464_660, 0, "awSd1Egvl9skwlx4AAAA"},
		{"kube.a", "chunk", 0, 1_795_464_660, 1, "awSd1Egvl9skwlx4AAAB"},
		{"kube.a", "chunk", 1, 1_795_464_660, 0, "awSd1M0P3hNCCfanAAAA"},
		{"kube.b", "chunk", 0, 1_795_464_660, 0, "awSd1O6kfCjvveoxAAAA"},
		{"", "", 0, -5, encode.MaxPlace - 1, "AAAAAJjM5KBDCRyg____"},
	} {
		var id [encode.IDSize]byte
		chunk := ids.Chunk(ids.Fingerprint(c.tag, []byte(c.chunk)), c.n, c.sec)
		chunk.Write(&id, c.place)
		if string(id[:]) != c.want {
			t.Errorf("{%q, %q, %d, %d, %d}: got %q, want %q", c.tag, c.chunk, c.n, c.sec, c.place, id, c.want)
		}
	}
}
