// Command answers is an output plugin that answers as its configuration says, to test the host that loads it.
//
//	answers  what each chunk's first, second, … flush answers: "retry,ok"; the last one is repeated
//	record   a file that gets a line for every flush: tag, number of the attempt, bytes in hex
//	fault    nil (dereferences it and recovers), write (changes the bytes), leak (an open file per Init), refuse
//
// With the build tag restore it takes SIGSEGV and SIGFPE back from the host, as out_seclog.go does.
package main

import "C"

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"unsafe"

	"github.com/fluent/fluent-bit-go/output"
)

type instance struct {
	answers []string
	fault   string
	record  *os.File

	mu       sync.Mutex
	attempts map[string]int
}

// trace writes one call's name to the file that CALLS names.
func trace(format string, args ...any) {
	f, err := os.OpenFile(os.Getenv("CALLS"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, format+"\n", args...)
}

//export FLBPluginPreRegister
func FLBPluginPreRegister(reloading C.int) int {
	trace("PreRegister %d", reloading)
	return 0
}

//export FLBPluginRegister
func FLBPluginRegister(def unsafe.Pointer) int {
	trace("Register")
	keepHandlers()
	return output.FLBPluginRegister(def, "answers", "Answers as told")
}

//export FLBPluginInit
func FLBPluginInit(host unsafe.Pointer) int {
	restoreHandlers()
	in := &instance{
		answers:  strings.Split(output.FLBPluginConfigKey(host, "ANSWERS"), ","),
		fault:    output.FLBPluginConfigKey(host, "fault"),
		attempts: map[string]int{},
	}
	trace("Init %s%s", output.FLBPluginConfigKey(host, "id"), output.FLBPluginConfigKey(host, "workers"))
	switch in.fault {
	case "refuse":
		fmt.Fprintln(os.Stderr, "answers: refused as told")
		return output.FLB_ERROR
	case "leak":
		if _, err := os.Open(os.DevNull); err != nil {
			return output.FLB_ERROR
		}
	}
	if path := output.FLBPluginConfigKey(host, "record"); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return output.FLB_ERROR
		}
		in.record = f
	}
	output.FLBPluginSetContext(host, in)
	return output.FLB_OK
}

//export FLBPluginOutputPreRun
func FLBPluginOutputPreRun(reloading C.int) int {
	trace("PreRun %d", reloading)
	return 0
}

//export FLBPluginFlushCtx
func FLBPluginFlushCtx(ctx, data unsafe.Pointer, length C.int, tag *C.char) (answer int) {
	in, ok := output.FLBPluginGetContext(ctx).(*instance)
	if !ok {
		return output.FLB_ERROR
	}
	bytes := unsafe.Slice((*byte)(data), int(length))
	key := C.GoString(tag) + "\x00" + string(bytes)
	in.mu.Lock()
	n := in.attempts[key]
	in.attempts[key]++
	if in.record != nil {
		fmt.Fprintf(in.record, "%s %d %x\n", C.GoString(tag), n, bytes)
	}
	in.mu.Unlock()
	switch in.fault {
	case "nil":
		restoreHandlers()
		defer func() {
			if recover() == nil {
				answer = output.FLB_ERROR
			}
		}()
		var missing *instance
		answer = output.FLB_OK
		missing.fault = "never"
	case "write":
		bytes[0]++
	}
	switch in.answers[min(n, len(in.answers)-1)] {
	case "ok":
		return output.FLB_OK
	case "retry":
		return output.FLB_RETRY
	}
	return output.FLB_ERROR
}

//export FLBPluginOutputPreExit
func FLBPluginOutputPreExit(reloading C.int) { trace("PreExit %d", reloading) }

//export FLBPluginExitCtx
func FLBPluginExitCtx(ctx unsafe.Pointer) int {
	trace("ExitCtx")
	if in, ok := output.FLBPluginGetContext(ctx).(*instance); ok && in.record != nil {
		if err := in.record.Close(); err != nil {
			return output.FLB_ERROR
		}
	}
	return output.FLB_OK
}

//export FLBPluginUnregister
func FLBPluginUnregister(def unsafe.Pointer) {
	trace("Unregister")
	output.FLBPluginUnregister(def)
}

func main() {}
