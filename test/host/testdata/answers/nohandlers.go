//go:build !restore

package main

func keepHandlers()    {}
func restoreHandlers() {}
