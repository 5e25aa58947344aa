//go:build unix

// Command unettime times evaluations of the UNet of a model folder, one for each line of its input, as JSON. It is the side of flow in
// internal/tools/goldens/race.py:
//
//	yes | head -3 | go run ./internal/tools/unettime -batch 2 -side 64 DIR
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

func main() {
	batch := flag.Int("batch", 2, "latents at once")
	side := flag.Int("side", 64, "rows and columns of latents: an eighth of the pixels")
	precision := flag.String("precision", "bf16", "fp32 or bf16")
	threads := flag.Int("threads", 0, "workers; 0 for as many as the process may use")
	flag.Parse()
	if err := run(flag.Arg(0), *batch, *side, *precision, *threads); err != nil {
		fmt.Fprintln(os.Stderr, "unettime:", err)
		os.Exit(1)
	}
}

func run(dir string, batch, side int, precision string, threads int) error {
	m, err := sdxl.Open(dir, weights.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	prec := program.BF16
	if precision == "fp32" {
		prec = program.F32
	}
	src, err := m.Weights(sdxl.UNet)
	if err != nil {
		return err
	}
	p := program.Optimize(sdxl.EvaluateProgram(m.UNet, prec, batch, side, side, 77, m.Text[1].Projection, nil))
	x, err := cpu.New().Compile(p, program.Options{Weights: src, Threads: threads})
	if err != nil {
		return err
	}
	defer func() { _ = x.Close() }()
	in := inputs(p)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		started, used := time.Now(), processorSeconds()
		if _, err := x.Run(context.Background(), in, program.RunOptions{}); err != nil {
			return err
		}
		fmt.Printf("{\"seconds\": %.2f, \"cpu_seconds\": %.2f}\n", time.Since(started).Seconds(), processorSeconds()-used)
	}
	return nil
}

// inputs are small numbers of both signs.
func inputs(p *program.Program) map[string]program.Tensor {
	in := make(map[string]program.Tensor, len(p.Inputs))
	for _, port := range p.Inputs {
		s := p.Shape(port.Value)
		t := program.Tensor{Shape: s, F: make([]float32, program.Elems(s))}
		for i := range t.F {
			t.F[i] = float32(i%17-8) / 8
		}
		in[port.Name] = t
	}
	return in
}

// processorSeconds is what all threads of this process have worked.
func processorSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
