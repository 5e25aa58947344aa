// Command race runs a part of a model folder once for each line of its input and says how long it took, as JSON. It is the side of
// flow in race.py, which lies beside it and races flow against other programs (docs/bench/README.md):
//
//	yes | head -3 | go run ./internal/tools/race -part unet -batch 2 -size 512 MODEL
//
// With -profile it runs the part twice and says what the second run took, by shapes of operations.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/machine"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

// said is the answer to a line; the first has none of the times, and says how long the model took to load.
type said struct {
	Seconds    float64 `json:"seconds,omitempty"`
	CPUSeconds float64 `json:"cpu_seconds,omitempty"` // of all threads
	PeakBytes  int64   `json:"peak_bytes"`            // resident, with pages of mapped weights
	Name       string  `json:"name,omitempty"`
	Load       float64 `json:"load_seconds,omitempty"`
}

func main() {
	var w work
	flag.StringVar(&w.part, "part", "unet", "unet (one evaluation), step (an evaluation in a sampler's loop), vae (decoding) or text (both encoders)")
	flag.IntVar(&w.batch, "batch", 1, "entries at once: of latents, or prompts")
	flag.IntVar(&w.size, "size", 1024, "rows and columns of the picture")
	flag.StringVar(&w.precision, "precision", "bf16", "fp32 or bf16")
	packed := flag.String("packed", "", "cache folder whose packed weights are used, and made first where they are missing")
	threads := flag.Int("threads", 0, "workers; 0 for as many as the process may use")
	shapes := flag.Bool("profile", false, "say what a run takes by shapes of operations, instead")
	flag.Parse()
	if err := run(flag.Arg(0), w, *packed, *threads, *shapes); err != nil {
		fmt.Fprintln(os.Stderr, "race:", err)
		os.Exit(1)
	}
}

func run(dir string, w work, packed string, threads int, shapes bool) error {
	started := time.Now()
	m, err := sdxl.Open(dir, weights.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	p, components, err := w.program(m)
	if err != nil {
		return err
	}
	src, err := m.Weights(components...)
	if err != nil {
		return err
	}
	exec, opt := cpu.New(), program.Options{Weights: src, Threads: threads}
	if packed != "" {
		store, err := cache.Open(packed, cache.Options{})
		if err != nil {
			return err
		}
		defer func() { _ = store.Close() }()
		if err := pack(exec, m, components, store, p, opt); err != nil {
			return err
		}
	}
	x, err := exec.Compile(p, opt)
	if err != nil {
		return err
	}
	defer func() { _ = x.Close() }()
	if shapes {
		return profile(os.Stdout, x, p)
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(said{Name: "flow " + w.precision, Load: time.Since(started).Seconds(), PeakBytes: machine.PeakResident()}); err != nil {
		return err
	}
	return answer(x, p, bufio.NewScanner(os.Stdin), out)
}

// answer runs the program for each line; a loop goes one step for each.
func answer(x program.Exec, p *program.Program, lines *bufio.Scanner, out *json.Encoder) error {
	in, ctx := inputs(p), context.Background()
	var began time.Time
	var used time.Duration
	start := func() error {
		if !lines.Scan() {
			return errors.Join(lines.Err(), io.EOF)
		}
		began, used = time.Now(), machine.ProcessorTime()
		return nil
	}
	stop := func() error {
		return out.Encode(said{Seconds: time.Since(began).Seconds(), CPUSeconds: (machine.ProcessorTime() - used).Seconds(), PeakBytes: machine.PeakResident()})
	}
	for {
		err := start()
		if err == nil && p.Steps == 0 {
			if _, err = x.Run(ctx, in, program.RunOptions{}); err == nil {
				err = stop()
			}
		} else if err == nil {
			_, err = x.Run(ctx, in, program.RunOptions{OnStep: func(int, func() map[string]program.Tensor) error {
				return errors.Join(stop(), start())
			}})
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
