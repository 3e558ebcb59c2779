package plugin

import (
	"syscall"
	"testing"
)

func TestForbidCoreDumps(t *testing.T) {
	const prGetDumpable = 3
	dumpable := func() uintptr {
		got, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prGetDumpable, 0, 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		return got
	}
	before := dumpable()
	defer func() { // a test that crashes later may leave one
		if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetDumpable, before, 0); errno != 0 {
			t.Error(errno)
		}
	}()
	if err := ForbidCoreDumps(); err != nil || dumpable() != 0 {
		t.Errorf("%v, dumpable %d", err, dumpable())
	}
}
