package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seclog/seclog/plugin/decode/decodetest"
)

// input turns what stands on standard input into chunks, as Fluent Bit would
// send them, so that all of it goes the one way.
type input struct {
	format  string
	timeKey string
	now     func() time.Time

	noObject int // lines of json that were taken as text
}

const (
	chunkBytes = 2 << 20  // what a busy Fluent Bit sends: 2 MB
	maxLine    = 64 << 20 // bytes of a line that are kept; the rest is cut off
)

// chunks reads r to its end and gives the chunks to flush. A chunk ends early
// where no more input is waiting, so that a pipe shows its lines at once.
func (in *input) chunks(r io.Reader, flush func([]byte) error) error {
	if in.format == "msgpack" {
		b, err := io.ReadAll(r)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		return flush(b)
	}
	br := bufio.NewReaderSize(r, 256<<10)
	c := new(decodetest.Chunk)
	for {
		line, err := readLine(br)
		if len(line) > 0 {
			t, body := in.record(line)
			c.Record(decodetest.Time(t), body)
		}
		if n := len(c.Bytes()); n > 0 && (n >= chunkBytes || err != nil || br.Buffered() == 0) {
			if ferr := flush(c.Bytes()); ferr != nil {
				return ferr
			}
			c = new(decodetest.Chunk)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
}

// readLine reads a line without its end, of which maxLine bytes are kept.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		if room := maxLine - len(line); len(part) > room {
			part = part[:room]
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimRight(line, "\r\n"), err
		}
	}
}

func (in *input) record(line []byte) (time.Time, decodetest.Map) {
	switch in.format {
	case "json":
		return in.json(line)
	case "cri":
		return in.cri(string(line))
	}
	return in.now(), decodetest.Map{"log", string(line)}
}

// cri reads the format of container runtimes: time, stream, P or F, text.
func (in *input) cri(line string) (time.Time, decodetest.Map) {
	parts := strings.SplitN(line, " ", 4)
	if len(parts) == 4 && (parts[2] == "F" || parts[2] == "P") {
		if t, ok := asTime(parts[0]); ok {
			return t, decodetest.Map{"stream", parts[1], "_p", parts[2], "log", parts[3]}
		}
	}
	return in.now(), decodetest.Map{"log", line}
}

// json reads an object; what is none is a text.
func (in *input) json(line []byte) (time.Time, decodetest.Map) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	v, err := ordered(dec, 0)
	m, ok := v.(decodetest.Map)
	if _, more := dec.Token(); err != nil || !ok || !errors.Is(more, io.EOF) {
		in.noObject++
		return in.now(), decodetest.Map{"log", string(line)}
	}
	keys := []string{"@timestamp", "time"}
	if in.timeKey != "" {
		keys = []string{in.timeKey}
	}
	for _, k := range keys {
		for i := 0; i < len(m); i += 2 {
			if m[i] != k {
				continue
			}
			if t, ok := asTime(m[i+1]); ok {
				if k == "@timestamp" {
					m = append(m[:i:i], m[i+2:]...) // written anew from the record's time
				}
				return t, m
			}
		}
	}
	return in.now(), m
}

// asTime reads a time that a chunk can hold: seconds since 1970 in 32 bits.
// What is outside, such as Go's zero time, is no time of a log line.
func asTime(v any) (time.Time, bool) {
	t, ok := parseTime(v)
	return t, ok && t.Unix() >= 0 && t.Unix() <= math.MaxUint32
}

func parseTime(v any) (time.Time, bool) {
	switch v := v.(type) {
	case string:
		t, err := time.Parse(time.RFC3339Nano, v)
		return t, err == nil
	case int64:
		if v > 1e11 { // milliseconds
			return time.UnixMilli(v), true
		}
		return time.Unix(v, 0), true
	case float64:
		if v > 0 && v < 1e11 {
			return time.UnixMicro(int64(v * 1e6)), true
		}
	}
	return time.Time{}, false
}

// maxNesting is how deep JSON may be; deeper lines are taken as text.
const maxNesting = 512

// ordered reads a JSON value and keeps the order of keys.
func ordered(dec *json.Decoder, depth int) (any, error) {
	if depth > maxNesting {
		return nil, errors.New("nested too deep")
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(string(tok), 10, 64); err == nil {
			return i, nil
		}
		if u, err := strconv.ParseUint(string(tok), 10, 64); err == nil {
			return u, nil
		}
		return tok.Float64()
	case json.Delim:
		m, a := decodetest.Map{}, []any{}
		for dec.More() {
			if tok == '{' {
				k, err := dec.Token()
				if err != nil {
					return nil, err
				}
				m = append(m, k)
			}
			v, err := ordered(dec, depth+1)
			if err != nil {
				return nil, err
			}
			if tok == '{' {
				m = append(m, v)
			} else {
				a = append(a, v)
			}
		}
		if _, err := dec.Token(); err != nil {
			return nil, err
		}
		if tok == '{' {
			return m, nil
		}
		return a, nil
	}
	return tok, nil
}
