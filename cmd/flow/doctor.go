package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/machine"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

func doctorCommand(a *app) *cobra.Command {
	var on string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can do, by measurement",
		Long: `Measures the products of every tier of kernels and the hash on one core, and looks at memory and the cache. It takes about two seconds.

With --device cuda it looks at the GPU instead, in some minutes: what it and its driver are, whether every operation and a small picture have the
processor's bits and in fp16 lie within their bounds, and how quick the main kernels are. The text on standard output is to be sent back. It exits
with 1 where they do not.`,
		Example: "  flow doctor\n  flow doctor --device cuda > doctor.txt",
		Args:    nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			switch on {
			case "cuda":
				return a.doctorCUDA(c.Context())
			case "", "cpu":
			default:
				return fmt.Errorf("--device %q is not one of cpu, cuda", on)
			}
			fmt.Fprintf(a.out, "flow       %s, %s/%s, %s\n", release(), runtime.GOOS, runtime.GOARCH, runtime.Version())
			fmt.Fprintf(a.out, "workers    %d of %d processors\n", runtime.GOMAXPROCS(0), runtime.NumCPU())
			if m := machine.Memory(); m > 0 {
				fmt.Fprintf(a.out, "memory     %s may be used\n", humanize.IBytes(uint64(m)))
			} else {
				fmt.Fprintln(a.out, "memory     unknown; --memory sets a limit")
			}
			best := kernel.Best().Name
			for _, t := range kernel.Tiers() {
				used := ""
				if t.Name == best {
					used = "  (in use)"
				}
				fmt.Fprintf(a.out, "tier %-10s %6.1f GFLOP/s fp32, %6.1f bf16, one core%s\n", t.Name, products(t.F32, 1), products(t.BF16, 2), used)
			}
			fmt.Fprintf(a.out, "sha-256    %s/s, one core\n", humanize.Bytes(uint64(hashRate())))
			fmt.Fprintf(a.out, "cuda       %s\n", cudaHealth())
			return a.cacheHealth(c.Context())
		},
	}
	c.Flags().StringVar(&on, "device", "cpu", "what is looked at: cpu or cuda")
	_ = c.RegisterFlagCompletionFunc("device", cobra.FixedCompletions([]string{"cpu", "cuda"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// cudaHealth says which device there is, or why there is none.
func cudaHealth() string {
	if openDevice == nil && !simulated() {
		return "not in this build"
	}
	d, err := device()
	if err != nil {
		return err.Error()
	}
	defer func() { _ = d.Close() }()
	i := d.Info()
	return fmt.Sprintf("%s, compute capability %d.%d, %s; --device cuda looks at it", i.Name, i.Major, i.Minor, humanize.IBytes(uint64(max(i.TotalBytes, 0))))
}

// measure is how long each measurement takes.
const measure = 200 * time.Millisecond

// products is the rate of a tier's inner loop in 10^9 operations a second; a word holds so many channels.
func products(f kernel.Dot, channels float64) float64 {
	const n = 512
	var acc kernel.Tile
	x := make([][kernel.MR][]float32, 1)
	for i := range x[0] {
		x[0][i] = make([]float32, n)
		for c := range x[0][i] {
			x[0][i][c] = word(1 / float32(c+i+1))
		}
	}
	w := make([]float32, n*kernel.NR)
	for i := range w {
		w[i] = word(1 / float32(i+3))
	}
	start, rounds := time.Now(), 0
	for time.Since(start) < measure {
		f(&acc, x, w, n, kernel.MR, kernel.NR)
		rounds++
	}
	return 2 * channels * float64(rounds) * n * kernel.MR * kernel.NR / time.Since(start).Seconds() / 1e9
}

// word is a number that is ordinary as fp32 and as a pair of bf16 numbers.
func word(v float32) float32 {
	b := math.Float32bits(v) & 0xffff0000
	return math.Float32frombits(b | b>>16)
}

// hashRate is the rate of SHA-256 in bytes a second.
func hashRate() float64 {
	block := make([]byte, 1<<20)
	start, n := time.Now(), 0
	for time.Since(start) < measure {
		sha256.Sum256(block)
		n += len(block)
	}
	return float64(n) / time.Since(start).Seconds()
}

// cacheHealth says where the cache is and whether it can be written.
func (a *app) cacheHealth(ctx context.Context) error {
	dir, err := cache.DefaultDir()
	if err != nil {
		fmt.Fprintf(a.out, "cache      %v\n", err)
		return nil
	}
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		fmt.Fprintf(a.out, "cache      %s (not made yet), at most %s\n", dir, humanize.IBytes(uint64(cache.DefaultCap(dir))))
		return nil
	}
	a.openStore()
	d, ok := a.store.(*cache.Disk)
	if !ok {
		fmt.Fprintf(a.out, "cache      %v\n", a.warned)
		return nil
	}
	s, err := d.Stats(ctx)
	if err != nil {
		fmt.Fprintf(a.out, "cache      %s: %v\n", dir, err)
		return nil
	}
	fmt.Fprintf(a.out, "cache      %s: %d records, %s of %s\n", dir, s.Records, humanize.IBytes(uint64(s.Bytes)), humanize.IBytes(uint64(max(s.Cap, 0))))
	return nil
}
