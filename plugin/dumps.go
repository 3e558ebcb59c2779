package plugin

import (
	"fmt"
	"syscall"
)

// prSetDumpable is the number of the request in prctl(2).
// Source: include/uapi/linux/prctl.h.
const prSetDumpable = 4

// ForbidCoreDumps keeps this process from leaving a core dump, whatever its
// limits and wherever the kernel hands dumps to: its memory holds records as
// they came, and credentials. Debuggers of other users than root can no longer
// attach to it either.
//
// Concurrency: safe at any time; it holds for the whole process.
//
// Errors: the kernel's, with which dumps stay possible.
func ForbidCoreDumps() error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetDumpable, 0, 0); errno != 0 {
		return fmt.Errorf("core dumps stay possible: %w", errno)
	}
	return nil
}
