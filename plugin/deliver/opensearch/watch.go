package opensearch

import (
	"fmt"
	"io"
	"os"
	"time"
)

// settled is how long after its last change a file must have been read for a
// later change to show in its time: some file systems count whole seconds.
const settled = 2 * time.Second

// watchedFile is a file that is read again when it changes. A file that is put
// in place of another, through a link or by a rename, has changed.
//
// Concurrency: not safe.
type watchedFile struct {
	path  string
	limit int64
	info  os.FileInfo // of what raw was read from; nil: nothing was read yet
	read  time.Time   // when
	reads int         // how often that was
	raw   []byte
}

// load gives the content at present.
//
// Errors: the file cannot be read at the moment; raw keeps what was read last.
func (f *watchedFile) load() ([]byte, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return f.raw, err
	}
	if f.info != nil && os.SameFile(info, f.info) && info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime()) && f.read.Sub(info.ModTime()) > settled {
		return f.raw, nil
	}
	now := time.Now() // before reading: a change while it is read is one after it
	raw, err := readFile(f.path, f.limit)
	if err != nil {
		return f.raw, err
	}
	f.raw, f.info, f.read = raw, info, now
	f.reads++
	return raw, nil
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return raw, err
}
