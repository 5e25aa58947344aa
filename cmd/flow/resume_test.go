//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

// long is a picture of fifty steps.
var long = []string{"run", "tiny.flow.yaml", "-p", "seed=8", "-p", "steps=50"}

// cut runs the workflow and sends a signal once the loop has done a number of steps. It gives the exit code.
func (w *workplace) cut(sig os.Signal, after int, every string) int {
	w.t.Helper()
	c := w.command("cut", append(long, "--json")...)
	c.Env = append(c.Env, "FLOW_CHECKPOINT="+every)
	out, err := c.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	said := `"node-progress","node":"latents","done":` + strconv.Itoa(after) + ","
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), said) {
			if err := c.Process.Signal(sig); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) {
		w.t.Fatalf("it was not cut: %v: %s", err, c.Stderr)
	}
	return exit.ExitCode()
}

// again runs the workflow to its end. It gives the picture, and the step at which the run went on.
func (w *workplace) again(out string) ([]byte, int) {
	w.t.Helper()
	c := w.command(out, long...)
	if err := c.Run(); err != nil {
		w.t.Fatalf("%v: %s", err, c.Stderr)
	}
	data, err := os.ReadFile(w.path(out, 8))
	if err != nil {
		w.t.Fatal(err)
	}
	step := 0
	if m := regexp.MustCompile(`(?m)^latents    resumed at step (\d+) of 50$`).FindStringSubmatch(c.Stderr.(*bytes.Buffer).String()); m != nil {
		step, _ = strconv.Atoi(m[1])
	}
	return data, step
}

// denoised is the record of the loop, and the number of checkpoints in the store.
func (w *workplace) denoised() (rec *cache.Record, unfinished int) {
	w.t.Helper()
	d, err := cache.Open(w.store, cache.Options{ReadOnly: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for r, err := range d.Records() {
		if err != nil {
			w.t.Fatal(err)
		}
		if r.Meta["node"] == "latents" {
			rec = r
		}
	}
	for range d.Checkpoints() {
		unfinished++
	}
	return rec, unfinished
}

// TestKilledLoopGoesOn: kill -9 in the middle of fifty steps, twice; the next run goes on from the last checkpoint and gives the same bytes, in the
// picture and in every step, and says where it went on. So after Ctrl-C, which keeps the last state though no interval is over.
func TestKilledLoopGoesOn(t *testing.T) {
	clean := newWorkplace(t)
	want, step := clean.again("clean")
	if step != 0 {
		t.Fatalf("a clean store has a state of step %d", step)
	}
	whole, _ := clean.denoised()
	check := func(w *workplace, least int) {
		t.Helper()
		if rec, n := w.denoised(); rec != nil || n != 1 {
			t.Fatalf("%d checkpoints, record %v", n, rec)
		}
		got, from := w.again("again")
		if from < least || !bytes.Equal(got, want) {
			t.Errorf("went on at step %d, want %d at least; the same picture: %v", from, least, bytes.Equal(got, want))
		}
		rec, n := w.denoised()
		if rec == nil || n != 0 || rec.Meta["steps"] != whole.Meta["steps"] || strings.Count(rec.Meta["steps"], ",") != 49 || rec.Meta["resumed"] == "" {
			t.Errorf("%d checkpoints are left; record %v", n, rec)
		}
		w.verify()
	}

	killed := newWorkplace(t)
	killed.cut(syscall.SIGKILL, 25, "1ns")
	killed.cut(syscall.SIGKILL, 40, "1ns")
	check(killed, 2) // what was being written when it was killed is lost; a disk may be slow

	stopped := newWorkplace(t)
	if code := stopped.cut(os.Interrupt, 25, "1ms"); code != exitInterrupted {
		t.Errorf("Ctrl-C gives code %d", code)
	}
	check(stopped, 2)
}
