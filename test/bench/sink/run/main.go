// Command run starts a sink, prints its address, and when it is interrupted
// prints what arrived.
//
//	go run ./test/bench/sink/run -ids
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/seclog/seclog/test/bench/sink"
)

func main() {
	ids := flag.Bool("ids", false, "count the different _ids")
	flag.Parse()
	if err := run(*ids); err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(1)
	}
}

func run(ids bool) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := sink.Start(sink.Options{DistinctIDs: ids})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	fmt.Println(s.URL())
	<-ctx.Done()
	return json.NewEncoder(os.Stdout).Encode(s.Counts())
}
