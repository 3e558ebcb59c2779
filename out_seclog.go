// Command out_seclog is Seclog as Fluent Bit loads it: a shared object with the
// callbacks of a Go output plugin. Everything else is in package plugin, which
// knows nothing of C; here pointers come in and plugin.Instance calls go out.
//
// Built as a program it does nothing: the command line tool is cmd/seclog.
package main

/*
#cgo LDFLAGS: -ldl
#include "host.h"
*/
import "C"

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/fluent/fluent-bit-go/output"

	"github.com/seclog/seclog/plugin"
	"github.com/seclog/seclog/plugin/config"
)

// handle is what Fluent Bit's context stands for. fluent-bit-go keeps every
// context for the life of the process, so ExitCtx empties it.
type handle struct {
	instance atomic.Pointer[plugin.Instance]
}

// FLBPluginRegister tells Fluent Bit what the library is. It runs on the main
// thread when the library is loaded, and again at each hot reload, then before
// the old pipeline's exit.
//
//export FLBPluginRegister
func FLBPluginRegister(def unsafe.Pointer) int {
	C.seclog_keep_handlers()
	return output.FLBPluginRegister(def, "seclog", "Tags, redacts and delivers container logs to OpenSearch exactly once")
}

// FLBPluginInit makes the instance of one [OUTPUT] section. An answer that is
// not FLB_OK stops Fluent Bit, which is how a bad configuration is refused.
//
//export FLBPluginInit
func FLBPluginInit(host unsafe.Pointer) (answer int) {
	answer = output.FLB_ERROR
	defer guard("init", &answer, output.FLB_ERROR)
	C.seclog_restore_handlers()
	c, err := config.Load(func(key string) string { return output.FLBPluginConfigKey(host, key) })
	if err != nil {
		logLine(plugin.Error, "the configuration cannot be used:\n"+err.Error())
		return answer
	}
	logLine(plugin.Info, c.Summary())
	if !c.CoreDumps {
		if err := plugin.ForbidCoreDumps(); err != nil {
			logLine(plugin.Warn, err.Error())
		}
	}
	in, err := plugin.New(plugin.Options{Config: c, Log: logLine})
	if err != nil {
		logLine(plugin.Error, err.Error())
		return answer
	}
	h := &handle{}
	h.instance.Store(in)
	output.FLBPluginSetContext(host, h)
	return output.FLB_OK
}

// FLBPluginFlushCtx takes one chunk. data is C's and valid until it returns.
//
//export FLBPluginFlushCtx
func FLBPluginFlushCtx(ctx, data unsafe.Pointer, length C.int, tag *C.char) (answer int) {
	answer = output.FLB_RETRY
	defer guard("flush", &answer, output.FLB_RETRY)
	C.seclog_restore_handlers()
	in := instance(ctx)
	if in == nil || length < 0 {
		return output.FLB_RETRY
	}
	if in.Flush(context.Background(), C.GoString(tag), unsafe.Slice((*byte)(data), int(length))) == plugin.OK {
		return output.FLB_OK
	}
	return output.FLB_RETRY
}

// FLBPluginExitCtx ends an instance after its last flush.
//
//export FLBPluginExitCtx
func FLBPluginExitCtx(ctx unsafe.Pointer) (answer int) {
	answer = output.FLB_OK
	defer guard("exit", &answer, output.FLB_OK)
	h, _ := output.FLBPluginGetContext(ctx).(*handle)
	if h == nil {
		return answer
	}
	if in := h.instance.Swap(nil); in != nil {
		if err := in.Close(); err != nil {
			logLine(plugin.Error, "close: "+err.Error())
		}
	}
	debug.FreeOSMemory()
	return answer
}

// FLBPluginUnregister frees what FLBPluginRegister gave.
//
//export FLBPluginUnregister
func FLBPluginUnregister(def unsafe.Pointer) { output.FLBPluginUnregister(def) }

func instance(ctx unsafe.Pointer) *plugin.Instance {
	if h, _ := output.FLBPluginGetContext(ctx).(*handle); h != nil {
		return h.instance.Load()
	}
	return nil
}

// guard is the last resort at the boundary: a panic that leaves a callback
// ends the agent.
func guard(where string, answer *int, failed int) {
	if p := recover(); p != nil {
		*answer = failed
		// The panic's own words may quote a record.
		logLine(plugin.Error, fmt.Sprintf("internal error in %s: %T", where, p))
	}
}

// logLine writes to standard error in Fluent Bit's form.
func logLine(level plugin.Level, line string) {
	name := [...]string{plugin.Error: "error", plugin.Warn: " warn", plugin.Info: " info", plugin.Debug: "debug"}[level]
	fmt.Fprintf(os.Stderr, "[%s] [%s] [output:seclog] %s\n", time.Now().Format("2006/01/02 15:04:05"), name, line)
}

func main() {
	fmt.Fprintln(os.Stderr, "This is a library that Fluent Bit loads; the command is github.com/seclog/seclog/cmd/seclog.")
	os.Exit(2)
}
