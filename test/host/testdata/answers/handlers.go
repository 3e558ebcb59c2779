//go:build restore

package main

/*
#cgo LDFLAGS: -ldl
#include "host.h"
*/
import "C"

// keepHandlers and restoreHandlers are those of out_seclog.go; the test lays its C files into this folder.
func keepHandlers()    { C.seclog_keep_handlers() }
func restoreHandlers() { C.seclog_restore_handlers() }
