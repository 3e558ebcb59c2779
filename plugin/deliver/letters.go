package deliver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// LetterMax is how many bytes a kept dead letter may have to be read again.
const LetterMax = 64 << 20 // 64 MB

// LetterError says why something is no dead letter that can be used. Its text
// holds nothing of it.
type LetterError struct {
	Where  string // "line 7", or the document's place
	Reason string
}

// Error gives place and reason.
func (e *LetterError) Error() string { return e.Where + ": " + e.Reason }

// ParseLetter reads a dead letter as AppendJSON wrote it. The letter's index
// and id are such that they can stand in framing without escaping; its document,
// if it has one, is one JSON object without line breaks.
//
// Bytes: raw is not kept.
//
// Errors: what is wrong, without quoting it.
func ParseLetter(raw []byte) (DeadLetter, error) {
	var l letterJSON
	if len(raw) > LetterMax {
		return DeadLetter{}, fmt.Errorf("longer than %d bytes", LetterMax)
	}
	if t := bytes.TrimLeft(raw, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return DeadLetter{}, errors.New("no JSON object")
	}
	if err := json.Unmarshal(raw, &l); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return DeadLetter{}, errors.New("a field has a type that no dead letter's has")
		}
		return DeadLetter{}, errors.New("no valid JSON")
	}
	at, err := time.Parse(time.RFC3339Nano, l.Time)
	if err != nil {
		return DeadLetter{}, errors.New("@timestamp is no time")
	}
	if !usableID(l.ID) {
		return DeadLetter{}, errors.New("id is none that Seclog gives")
	}
	d := DeadLetter{
		ID: l.ID, Index: l.Index, Time: at, Tag: l.Tag, RuleVersion: l.Rules, Error: l.Error,
		Status: l.Status, Size: l.Size, Fingerprint: l.Fingerprint, Document: l.Document,
	}
	if d.Document == "" {
		return d, nil
	}
	if !usableIndex(d.Index) {
		return DeadLetter{}, errors.New("index is no name that an index can have")
	}
	if d.Document, err = oneLine(d.Document); err != nil {
		return DeadLetter{}, err
	}
	return d, nil
}

// oneLine gives a document without line breaks.
func oneLine(doc string) (string, error) {
	if !strings.HasPrefix(strings.TrimLeft(doc, " \t\r\n"), "{") || !json.Valid([]byte(doc)) {
		return "", errors.New("document is no JSON object")
	}
	if !strings.ContainsAny(doc, "\r\n") {
		return doc, nil
	}
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(doc)); err != nil {
		return "", errors.New("document is no JSON object")
	}
	return out.String(), nil
}

// usableIndex tells whether a name can be an index's and can stand in framing
// without escaping.
// Source: OpenSearch, MetadataCreateIndexService.validateIndexOrAliasName.
func usableIndex(name string) bool {
	if name == "" || len(name) > 255 || name == "." || name == ".." || strings.IndexByte("_-+", name[0]) >= 0 {
		return false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c <= ' ' || c >= utf8.RuneSelf || c == 0x7f || c >= 'A' && c <= 'Z' || strings.IndexByte(`\/*?"<>|,#:`, c) >= 0 {
			return false
		}
	}
	return true
}

// LetterFile reads the dead letters of a file, which may grow meanwhile: what
// was in it when it was opened is read.
//
// Concurrency: not safe.
type LetterFile struct {
	file   *os.File
	from   io.Reader // file, to read from
	size   int64     // bytes that are read
	done   int64     // bytes read of them
	line   int       // of the letter given last
	max    int       // bytes of a line
	kept   []byte
	piece  []byte
	window []byte // of piece, not yet given
	eof    bool
	torn   bool
}

// OpenLetters opens a dead-letter file.
//
// Errors: it cannot be read, or is not a regular file.
func OpenLetters(path string) (*LetterFile, error) {
	// A pipe must not hold us.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := &LetterFile{file: file, from: file, max: LetterMax}
	if f.size, err = settledSize(file); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	return f, nil
}

// settledSize is the file's size while nobody writes, so that no letter is half
// there which is being written now. Where others hold the lock for long, or
// there are no locks, it is the size as it is: half a line is left out anyway.
func settledSize(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("not a regular file")
	}
	locked := false
	for end := time.Now().Add(lockPatience); ; time.Sleep(5 * time.Millisecond) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
		if locked = err == nil; locked || !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || time.Now().After(end) {
			break
		}
	}
	info, err = file.Stat()
	if locked {
		err = errors.Join(err, syscall.Flock(int(file.Fd()), syscall.LOCK_UN))
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Next gives the next letter, or io.EOF. A line that is no letter gives a
// *LetterError, and the next call goes on behind it.
//
// Errors: io.EOF, a *LetterError, or that the file cannot be read.
func (f *LetterFile) Next() (DeadLetter, error) {
	for {
		line, bad, err := f.next()
		if err != nil {
			return DeadLetter{}, err
		}
		where := fmt.Sprintf("line %d", f.line)
		if bad != "" {
			return DeadLetter{}, &LetterError{where, bad}
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		l, err := ParseLetter(line)
		if err != nil {
			return DeadLetter{}, &LetterError{where, err.Error()}
		}
		return l, nil
	}
}

// next gives the next line without its end; bad says why it was not even kept.
//
// Bytes: the line is valid until the next call.
func (f *LetterFile) next() (line []byte, bad string, err error) {
	for kept := f.kept[:0]; ; {
		end := bytes.IndexByte(f.window, '\n')
		part := f.window
		if end >= 0 {
			part = f.window[:end]
		}
		if kept, bad = f.keep(kept, part, bad); end >= 0 {
			f.window = f.window[end+1:]
			f.line++
			f.kept = kept[:0]
			if cap(kept) > keptLine {
				f.kept = nil
			}
			return kept, bad, nil
		}
		if f.eof {
			f.window = nil
			f.torn = f.torn || len(bytes.TrimSpace(kept)) > 0 || bad != ""
			return nil, "", io.EOF
		}
		if err := f.fill(); err != nil {
			return nil, "", err
		}
	}
}

// keptLine is the largest memory of a line that is used for the next one.
const keptLine = 4 << 20

// keep appends a part of a line. Nothing is kept of what is too long or begins
// as no letter does.
func (f *LetterFile) keep(kept, part []byte, bad string) ([]byte, string) {
	switch {
	case bad != "":
		return nil, bad
	case len(kept)+len(part) > f.max:
		return nil, fmt.Sprintf("longer than %d bytes", f.max)
	case len(kept) == 0:
		if part = bytes.TrimLeft(part, " \t\r"); len(part) > 0 && part[0] != '{' {
			return nil, "no JSON object"
		}
	}
	return append(kept, part...), ""
}

// fill reads the next piece of the file.
func (f *LetterFile) fill() error {
	if f.piece == nil {
		f.piece = make([]byte, 64<<10)
	}
	n, err := f.from.Read(f.piece[:min(int64(len(f.piece)), f.size-f.done)])
	f.done += int64(n)
	f.window = f.piece[:n]
	f.eof = f.done >= f.size || n == 0
	if err != nil && err != io.EOF {
		return fmt.Errorf("dead-letter file: %w", err)
	}
	return nil
}

// Progress gives how many bytes are read, and of how many.
func (f *LetterFile) Progress() (done, all int64) { return f.done, f.size }

// Torn tells, at the end, that the last line has no end: it is being written,
// or whoever wrote it was killed. It was not given.
func (f *LetterFile) Torn() bool { return f.torn }

// Close closes the file.
func (f *LetterFile) Close() error { return f.file.Close() }
