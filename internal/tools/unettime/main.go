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
	"github.com/seed-8af8f8e1/flow/internal/panels"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

func main() {
	batch := flag.Int("batch", 2, "latents at once")
	side := flag.Int("side", 64, "rows and columns of latents: an eighth of the pixels")
	precision := flag.String("precision", "bf16", "fp32 or bf16")
	threads := flag.Int("threads", 0, "workers; 0 for as many as the process may use")
	packed := flag.String("packed", "", "cache folder whose packed weights are used, and made first where they are missing")
	flag.Parse()
	if err := run(flag.Arg(0), *batch, *side, *precision, *threads, *packed); err != nil {
		fmt.Fprintln(os.Stderr, "unettime:", err)
		os.Exit(1)
	}
}

func run(dir string, batch, side int, precision string, threads int, packed string) error {
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
	exec := cpu.New()
	if packed != "" {
		store, err := cache.Open(packed, cache.Options{})
		if err != nil {
			return err
		}
		defer func() { _ = store.Close() }()
		if err := pack(exec, m, store, p, program.Options{Weights: src, Threads: threads}); err != nil {
			return err
		}
	}
	x, err := exec.Compile(p, program.Options{Weights: src, Threads: threads})
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

// pack makes packed weights, as a first run does.
func pack(exec *cpu.Executor, m *sdxl.Model, store *cache.Disk, p *program.Program, opt program.Options) error {
	c, err := m.Files.Component(sdxl.UNet)
	if err != nil {
		return err
	}
	started := time.Now()
	if _, err := c.Digest(context.Background(), memo{store}); err != nil {
		return err
	}
	hashed := time.Now()
	exec.Keep(cpu.Keeping{Store: panels.NewStore(store)})
	made, err := exec.PackAll(context.Background(), p, opt)
	fmt.Fprintf(os.Stderr, "hashed in %.2f s; %d of %d files packed in %.2f s, %d MB in all\n", hashed.Sub(started).Seconds(), made.Made, made.Files,
		time.Since(hashed).Seconds(), made.Bytes>>20)
	return err
}

// memo remembers digests in the cache.
type memo struct{ store *cache.Disk }

// Get implements weights.Memo.
func (m memo) Get(key string) ([]byte, bool) { return m.store.GetMemo(key) }

// Put implements weights.Memo.
func (m memo) Put(key string, value []byte) { m.store.PutMemo(key, value) }

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
