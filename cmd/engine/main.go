// Command engine runs data pipelines that are declared in HCL files: Kafka Connect as one small binary.
//
// It holds the verbs and the wiring: it is the only place that names plugins, stores and modes.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "unknown"

func main() { os.Exit(Main()) }

// Main runs the command line of the process and returns its exit status: 0 when all went well, 1 when something did not,
// which has been printed, and 130 when a second signal cut the clean stop short.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go impatience(ctx)
	return execute(ctx, process{
		args: os.Args[1:], in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv,
	})
}

// impatience ends the process at the second signal. It ends with the process.
func impatience(ctx context.Context) {
	<-ctx.Done()
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	<-again
	os.Exit(130)
}

// process is what a command gets from the operating system.
type process struct {
	args     []string
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
}

// color reports whether a stream is a terminal that may be coloured: NO_COLOR (no-color.org) turns colours off.
func (p process) color(w io.Writer) bool {
	if v, set := p.env("NO_COLOR"); set && v != "" {
		return false
	}
	if v, _ := p.env("TERM"); v == "dumb" {
		return false
	}
	return isTerminal(w)
}
