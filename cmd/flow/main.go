// Command flow renders images from versioned workflow files.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

// Exit codes; docs/exit-codes.md lists them.
const (
	exitOK          = 0
	exitFile        = 2 // the file or the command line is wrong
	exitWork        = 3 // plan --check found work
	exitRun         = 4 // the run failed
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
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	defer a.close()
	err := root(a).ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var e *exitError
	if !errors.As(err, &e) {
		e = &exitError{exitFile, err.Error()}
	}
	if errors.Is(err, context.Canceled) {
		e.code = exitInterrupted
	}
	if e.message != "" {
		fmt.Fprintln(os.Stderr, "flow: "+e.message)
	}
	return e.code
}
