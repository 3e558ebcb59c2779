package deliver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrDeadLettersFull says that the dead-letter file has reached its size.
var ErrDeadLettersFull = errors.New("the dead-letter file is full")

// errRemoved says that the file lost its name while it was written.
var errRemoved = errors.New("the dead-letter file was removed while it was written")

// lockPatience is how long a write waits for another process that has the file
// locked.
const lockPatience = 2 * time.Second

// pieceMax is how many bytes of lines are gathered before they are written.
const pieceMax = 1 << 20

// deadFile appends dead letters to one file that several processes may share.
type deadFile struct {
	path string
	max  int64
}

// append writes each letter as one line and returns when they are safe on disk.
// After an error none of them is in the file. It waits as long as patience for
// others that have the file locked.
func (f *deadFile) append(letters []DeadLetter, patience time.Duration) error {
	if f.path == "" {
		return errors.New("no dead-letter file is set")
	}
	folder := filepath.Dir(f.path)
	if err := makeFolder(folder); err != nil {
		return err
	}
	for try := 0; ; try++ {
		err := f.write(letters, patience)
		if err == nil {
			return syncFolder(folder)
		}
		// Somebody moved old letters away: ours belong into a new file.
		if !errors.Is(err, errRemoved) || try > 0 {
			return err
		}
	}
}

// write is one attempt of append, in the file that has the name at present.
func (f *deadFile) write(letters []DeadLetter, patience time.Duration) (err error) {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return fmt.Errorf("dead-letter file: %w", err)
	}
	defer func() {
		if cerr := file.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("dead-letter file: %w", cerr)
		}
	}()
	if err := lock(file, patience); err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("dead-letter file: %w", err)
	}
	if err := owned(f.path, info, 0o077); err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("dead-letter file %s is not a regular file", f.path)
	}
	size := info.Size()
	if err = f.lines(file, size, letters); err == nil {
		err = file.Sync()
	}
	if err != nil {
		// Under the lock nobody else wrote after us.
		return errors.Join(fmt.Errorf("dead-letter file: %w", err), file.Truncate(size))
	}
	if info, err = file.Stat(); err != nil {
		return fmt.Errorf("dead-letter file: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink == 0 {
		return errRemoved
	}
	return nil
}

// lines writes the letters, in pieces, behind the size bytes that the file has.
func (f *deadFile) lines(file *os.File, size int64, letters []DeadLetter) error {
	limit := f.limit()
	var piece []byte
	if size > 0 {
		// A process that was killed may have left half a line; a newline keeps
		// ours apart from it.
		var last [1]byte
		if _, err := file.ReadAt(last[:], size-1); err != nil && err != io.EOF {
			return err
		}
		if last[0] != '\n' {
			piece = append(piece, '\n')
		}
	}
	for i := range letters {
		piece = append(letters[i].AppendJSON(piece), '\n')
		if len(piece) < pieceMax && i < len(letters)-1 {
			continue
		}
		if size += int64(len(piece)); limit > 0 && size > limit {
			return ErrDeadLettersFull
		}
		if _, err := file.Write(piece); err != nil {
			return err
		}
		piece = piece[:0]
	}
	return nil
}

// limit is how large the file may grow, 0 for no limit. The process's own limit
// counts too: whoever writes beyond it is ended by a signal.
func (f *deadFile) limit() int64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &r); err == nil && r.Cur < 1<<62 {
		if own := int64(r.Cur); f.max <= 0 || own < f.max {
			return max(own, 1)
		}
	}
	return f.max
}

// lock takes the lock that all writers of the file share. Closing the file
// gives it back.
func lock(file *os.File, patience time.Duration) error {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || time.Now().After(end) {
			return fmt.Errorf("dead-letter file: lock: %w", err)
		}
	}
}

// makeFolder makes the folder where there is none, its name safe on disk, and
// refuses one that others may write in.
func makeFolder(folder string) error {
	var made []string // folders that get a new one in them
	for at := folder; ; {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		up := filepath.Dir(at)
		made = append(made, up)
		if up == at {
			break
		}
		at = up
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("dead-letter folder: %w", err)
	}
	for _, m := range made {
		if err := syncFolder(m); err != nil {
			return err
		}
	}
	info, err := os.Stat(folder)
	if err != nil {
		return fmt.Errorf("dead-letter folder: %w", err)
	}
	return owned(folder, info, 0o022)
}

// owned refuses a file of another owner, or one that grants forbidden rights.
func owned(path string, info fs.FileInfo, forbidden fs.FileMode) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("dead letters: %s belongs to another user", path)
	}
	if info.Mode().Perm()&forbidden != 0 {
		return fmt.Errorf("dead letters: %s has mode %04o, which lets others in", path, info.Mode().Perm())
	}
	return nil
}

// syncFolder makes the names in a folder safe.
func syncFolder(folder string) error {
	dir, err := os.Open(folder)
	if err != nil {
		return fmt.Errorf("dead-letter folder: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("dead-letter folder: %w", err)
	}
	return nil
}
