package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/digests"
	"github.com/seed-8af8f8e1/flow/internal/tools/avx512/job"
)

// wanted are the kernel's names of what the processor has to have, or a tier would not be run and nothing be shown.
var wanted = []string{"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_bf16"}

// outcome is what a machine said of its job.
type outcome struct {
	processor, kernel string
	output            string // of the job
	code, seconds     string // its exit code and the time that it took, by the machine's clock
}

// read reads a machine's console.
func read(console []byte, j job.Job) (*outcome, error) {
	var o outcome
	var flags []string
	var output strings.Builder
	inside := false
	for line := range strings.Lines(string(bytes.ReplaceAll(console, []byte("\r"), nil))) {
		text := strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(text, job.Processor):
			o.processor = strings.TrimPrefix(text, job.Processor)
		case strings.HasPrefix(text, job.Flags):
			flags = strings.Fields(strings.TrimPrefix(text, job.Flags))
		case strings.HasPrefix(text, job.Kernel):
			o.kernel = strings.TrimPrefix(text, job.Kernel)
		case strings.HasPrefix(text, job.Failed):
			return nil, errors.New(strings.TrimPrefix(text, job.Failed))
		case text == job.Begin+j.Name:
			inside = true
		case strings.HasPrefix(text, job.End+j.Name+" "):
			inside = false
			if words := strings.Fields(text); len(words) == 4 {
				o.code, o.seconds = words[2], words[3]
			}
		case inside:
			output.WriteString(line)
		}
	}
	o.output = output.String()
	for _, flag := range wanted {
		if len(flags) > 0 && !slices.Contains(flags, flag) {
			return nil, fmt.Errorf("the machine's kernel sees no %s", flag)
		}
	}
	if o.code == "" {
		return nil, errors.New("the machine ended before its job did")
	}
	return &o, nil
}

// passed says how many tests, subtests too, passed; a job of none has shown nothing.
func (o *outcome) passed() int { return strings.Count(o.output, "--- PASS: ") }

// document is what flow bench --digests wrote.
func (o *outcome) document() (*digests.Document, error) {
	at := strings.Index(o.output, "{\n")
	end := strings.LastIndex(o.output, "\n}\n")
	if at < 0 || end < at {
		return nil, errors.New("no digests were written")
	}
	return digests.Read(strings.NewReader(o.output[at : end+3]))
}

// emulated keeps of a document what the AVX-512 tiers made: what lower tiers make is known from real processors. Each row has to have both.
func emulated(d *digests.Document) error {
	for i := range d.Rows {
		made := make(map[string]digests.Digest)
		for _, by := range []string{"amd64 avx512", "amd64 avx512bf16"} {
			digest, ok := d.Rows[i].Made[by]
			if !ok {
				return fmt.Errorf("%s (%s) was not made by %s", d.Rows[i].Workflow, d.Rows[i].What(), by)
			}
			made[by] = digest
		}
		d.Rows[i].Made = made
	}
	return nil
}

// hold adds what machines made to a document of other tiers, and lists what differs.
func hold(all, made *digests.Document) (wrong []string) {
	changed, missing := made.Changes(all)
	wrong = append(wrong, changed...)
	for _, row := range missing {
		wrong = append(wrong, row+" is not in the document")
	}
	all.Merge(made)
	for _, row := range all.Differing() {
		wrong = append(wrong, row+": not all made the same")
	}
	return wrong
}

// line writes the line of a job that passed.
func (o *outcome) line(w io.Writer, name string, minutes float64) {
	what := fmt.Sprintf("%d tests", o.passed())
	if d, err := o.document(); err == nil {
		what = fmt.Sprintf("%d rows", len(d.Rows))
	}
	fmt.Fprintf(w, "%-20s passed, %-12s %6.1f min\n", name, what, minutes)
}

// failures are the lines of a job's output that say what failed, or its last lines.
func (o *outcome) failures() string {
	var b strings.Builder
	for line := range strings.Lines(o.output) {
		if !strings.HasPrefix(line, "=== ") && !strings.Contains(line, "--- PASS: ") {
			b.WriteString(line)
		}
	}
	return tail(b.String())
}

// tail is the end of a text.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
