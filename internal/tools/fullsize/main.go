// Command fullsize compares flow with diffusers on a model of SDXL's size, which internal/tools/goldens/fullsize.py has made:
//
//	python internal/tools/goldens/fullsize.py DIR
//	go run ./internal/tools/fullsize DIR
//
// Each part runs in a process of its own, so that its peak of memory is its own. With -part it runs one part in this process, with
// -precision bf16 the text encoders and the UNet in bf16 (whose bounds are not held), with -mistake one of the controls.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/parity"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// StepBound is for the blocks of the UNet at full size: sums are ten times as long as in small models.
const StepBound = 2e-4

// measured is what one part gave.
type measured struct {
	Part, Precision, Mistake string
	Rows                     []parity.Row
	Seconds                  float64 // of the runs, with what the comparisons took
	CPU                      float64 // seconds of all threads, of the whole process
	Planned                  int64   // bytes that the executor means to use
	Peak                     peaks   // of the process
}

func main() {
	part := flag.String("part", "", "run one part in this process and print JSON: "+strings.Join(parts, ", "))
	precision := flag.String("precision", "fp32", "fp32 or bf16")
	wrong := flag.String("mistake", "", "make a mistake on purpose: "+strings.Join(mistakes(), ", "))
	threads := flag.Int("threads", 0, "workers; 0 for as many as the process may use")
	flag.Parse()
	err := fmt.Errorf("usage: fullsize [flags] DIR, where DIR is made by internal/tools/goldens/fullsize.py")
	if flag.NArg() == 1 {
		if *part == "" {
			err = all(flag.Arg(0), *threads)
		} else {
			err = one(flag.Arg(0), *part, *precision, *wrong, *threads)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fullsize:", err)
		os.Exit(1)
	}
}

var parts = []string{"text", "step", "vae"}

// one measures a part in this process.
func one(dir, part, precision, wrong string, threads int) error {
	m, err := sdxl.Open(dir, weights.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	out := measured{Part: part, Precision: precision, Mistake: wrong}
	s := &parity.Suite{Model: m, Goldens: filepath.Join(dir, "goldens"), Executor: cpu.New(), Precision: program.F32, Threads: threads,
		Observe: func(exec program.Exec, took time.Duration) {
			out.Seconds += took.Seconds()
			out.Planned = max(out.Planned, exec.PeakBytes())
		}}
	if precision == "bf16" {
		s.Precision = program.BF16
	}
	if err := mistake(s, wrong); err != nil {
		return err
	}
	run, ok := map[string]func(context.Context) ([]parity.Row, error){"text": s.Text, "step": s.Step, "vae": s.VAE}[part]
	if !ok {
		return fmt.Errorf("part %q is not one of %s", part, strings.Join(parts, ", "))
	}
	stop := watchMemory()
	if out.Rows, err = run(context.Background()); err != nil {
		return err
	}
	out.Peak, out.CPU = stop(), processorSeconds()
	return json.NewEncoder(os.Stdout).Encode(out)
}

// all measures every part and control, each in a process of its own, and prints the tables.
func all(dir string, threads int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var list []measured
	measure := func(part, precision, wrong string) error {
		c := exec.Command(self, "-part", part, "-precision", precision, "-mistake", wrong, "-threads", fmt.Sprint(threads), dir)
		c.Stderr = os.Stderr
		data, err := c.Output()
		if err != nil {
			return fmt.Errorf("%s %s %s: %w", part, precision, wrong, err)
		}
		var m measured
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s %s %s: %.1f s\n", part, precision, wrong, m.Seconds)
		list = append(list, m)
		return nil
	}
	for _, part := range parts {
		if err := measure(part, "fp32", ""); err != nil {
			return err
		}
	}
	if err := measure("step", "bf16", ""); err != nil {
		return err
	}
	for _, wrong := range mistakes() {
		if err := measure("step", "fp32", wrong); err != nil {
			return err
		}
	}
	return print(os.Stdout, dir, list)
}
