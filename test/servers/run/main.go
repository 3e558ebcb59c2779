// Command run starts a real OpenSearch node for a shell script, prints its URL on one line and serves until SIGTERM
// or SIGINT.
//
//	go run ./test/servers/run -dir /tmp/node -set http.max_content_length=2mb
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seclog/seclog/test/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o := servers.Options{Settings: map[string]string{}}
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.Version, "version", servers.DefaultVersion, "OpenSearch version")
	flags.BoolVar(&o.Security, "security", false, "with the security plugin, user and password admin; config/authority.pem below -dir is to be trusted")
	flags.StringVar(&o.Heap, "heap", "512m", "Java heap")
	flags.StringVar(&o.Dir, "dir", "", "keep config, data and log here; a temporary directory when empty")
	verbose := flags.Bool("log", false, "copy the server's log to standard error")
	wait := flags.Duration("wait", 5*time.Minute, "how long laying out and starting may take")
	flags.Func("set", "a setting, key=value; may be repeated", func(text string) error {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return fmt.Errorf("%q is not key=value", text)
		}
		o.Settings[key] = value
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *verbose {
		o.Log = stderr
	}
	start, cancel := context.WithTimeout(ctx, *wait)
	defer cancel()
	server, err := servers.StartOpenSearch(start, o)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, server.URL); err != nil {
		_ = server.Close()
		return err
	}
	<-ctx.Done()
	if o.Dir != "" { // what was indexed is to be found again
		if err := server.Stop(); err != nil {
			return err
		}
	}
	return server.Close()
}
