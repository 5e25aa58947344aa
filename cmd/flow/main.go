// Command flow renders images from versioned workflow files.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

func main() { os.Exit(run()) }

// Exit codes; docs/cli.md lists them.
const (
	exitOK          = 0
	exitTest        = 1 // a picture or a test is not as it was
	exitFile        = 2 // the file or the command line is wrong
	exitWork        = 3 // plan --check found work
	exitRun         = 4 // the run failed
	exitDiffers     = 5 // a lock or a golden differs
	exitInterrupted = 130
)

// exitError ends the command with a code. An empty message has been said already.
type exitError struct {
	code    int
	message string
}

func (e *exitError) Error() string { return e.message }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // a second signal ends the process at once
		<-ctx.Done()
		stop()
	}()
	out := &output{w: os.Stdout}
	a := &app{in: os.Stdin, out: out, err: os.Stderr}
	defer a.close()
	err := root(a).ExecuteContext(ctx)
	if failed := out.failed(); failed != nil && (err == nil || errors.Is(err, failed)) {
		err = &exitError{exitRun, "cannot write standard output: " + failed.Error()}
	}
	if err == nil {
		return exitOK
	}
	var e *exitError
	if !errors.As(err, &e) {
		e = &exitError{exitFile, err.Error()}
	}
	if errors.Is(err, context.Canceled) {
		e = &exitError{exitInterrupted, "interrupted; what was finished is in the cache"}
	}
	if e.message != "" {
		fmt.Fprintln(os.Stderr, "flow: "+safetext.Lines(e.message))
	}
	return e.code
}
