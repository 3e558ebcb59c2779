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

// lockPatience is how long a write waits for another process that has the file
// locked.
const lockPatience = 2 * time.Second

// deadFile appends dead letters to one file that several processes may share.
type deadFile struct {
	path string
	max  int64
}

// append writes whole lines, each ended by a newline, and returns when they are
// safe on disk. After an error none of them is in the file. It waits as long as
// patience for others that have the file locked.
func (f *deadFile) append(lines []byte, patience time.Duration) (err error) {
	if f.path == "" {
		return errors.New("no dead-letter file is set")
	}
	folder := filepath.Dir(f.path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("dead-letter folder: %w", err)
	}
	if err := private(folder, 0o022); err != nil {
		return err
	}
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
	if size > 0 {
		// A process that was killed may have left half a line; a newline keeps
		// ours apart from it.
		var last [1]byte
		if _, err := file.ReadAt(last[:], size-1); err != nil && err != io.EOF {
			return fmt.Errorf("dead-letter file: %w", err)
		}
		if last[0] != '\n' {
			lines = append([]byte{'\n'}, lines...)
		}
	}
	if f.max > 0 && size+int64(len(lines)) > f.max {
		return ErrDeadLettersFull
	}
	if _, err = file.Write(lines); err == nil {
		err = file.Sync()
	}
	if err != nil {
		// Under the lock nobody else wrote after us.
		return errors.Join(fmt.Errorf("dead-letter file: %w", err), file.Truncate(size))
	}
	return syncFolder(folder)
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

// private refuses a folder that others may write in.
func private(folder string, forbidden fs.FileMode) error {
	info, err := os.Stat(folder)
	if err != nil {
		return fmt.Errorf("dead-letter folder: %w", err)
	}
	return owned(folder, info, forbidden)
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

// syncFolder makes the file's name in its folder safe.
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
