package bench

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Sizes of memory that a worker reads.
const (
	cacheBytes = 192 << 10 // more than a first-level cache has, and less than a second-level one
	dramBytes  = 128 << 20 // more than caches have
	dramLeast  = 32 << 20  // where many workers share the memory
	stretch    = 2 << 20   // of a task
)

// dram is what each of n workers reads of memory: 1 GiB together at most, and a quarter of what may be used, or else dramLeast.
func (r *runner) dram(n int) int {
	most := int64(1 << 30)
	if r.Memory > 0 {
		most = min(most, r.Memory/4)
	}
	return r.size(max(dramLeast, min(dramBytes, int(most/int64(n)/stretch)*stretch)))
}

// limits measures what the machine can do.
func (r *runner) limits() error {
	counts := []int{1}
	if r.Threads > 1 {
		counts = append(counts, r.Threads)
	}
	for _, t := range kernel.Tiers() {
		if err := r.peaks(t, counts); err != nil {
			return err
		}
	}
	if err := r.reading(counts); err != nil {
		return err
	}
	block := make([]byte, r.size(8<<20))
	for _, n := range slices.Compact([]int{1, runtime.GOMAXPROCS(0)}) { // files are hashed by all, whatever --threads says
		if err := r.limit(hashName(n), n, 4, Bytes, float64(len(block)), func(_, _ int) { sha256.Sum256(block) }); err != nil {
			return err
		}
	}
	return nil
}

// size is a number of bytes, little in tests.
func (r *runner) size(n int) int {
	if r.small {
		return min(n, 64<<10)
	}
	return n
}

// peaks measures the arithmetic of a tier on registers.
func (r *runner) peaks(t kernel.Tier, counts []int) error {
	p := t.Peak()
	for _, n := range counts {
		if err := r.peak(t.Name, program.F32, n, p.F32, p.F32Ops); err != nil {
			return err
		}
		if p.BF16 == nil {
			continue
		}
		if err := r.peak(t.Name, program.BF16, n, p.BF16, p.BF16Ops); err != nil {
			return err
		}
	}
	return nil
}

func peakName(tier string, prec program.Precision, n int) string {
	return fmt.Sprintf("%s arithmetic, %s, %s", prec, tier, workers(n))
}

// peak measures one loop, for some 20 ms a sample. One call takes well below 200 us: assembly cannot be preempted.
func (r *runner) peak(tier string, prec program.Precision, n int, f func(int), ops int) error {
	const rounds = 2000
	start, calls := time.Now(), 0
	for time.Since(start) < 5*time.Millisecond {
		f(rounds)
		calls++
	}
	if calls *= 4; r.small {
		calls = 1
	}
	return r.limit(peakName(tier, prec, n), n, calls, FLOP, float64(ops)*rounds, func(_, _ int) { f(rounds) })
}

// arithmetic names the limit of products: that of the tier in use on n workers. A tier without an instruction for products
// of bf16 numbers makes them of fp32 ones.
func (r *runner) arithmetic(prec program.Precision, n int) string {
	if r.tier.Peak().BF16 == nil {
		prec = program.F32
	}
	return peakName(r.tier.Name, prec, n)
}

func readName(what string, n int) string { return fmt.Sprintf("reading %s, %s", what, workers(n)) }

// reading measures the reading of memory: of little for each task, again and again, and of much, once a sample.
func (r *runner) reading(counts []int) error {
	read := r.tier.Peak().Read
	n := slices.Max(counts)
	each := r.dram(n)
	little, much := r.size(cacheBytes), r.size(stretch)
	buffer := make([]byte, max(each, little)*n)
	for i := 0; i < len(buffer); i += 4096 {
		buffer[i] = 1 // or else all pages are one page of zeros
	}
	for _, n := range counts {
		if err := r.limit(readName("cache", n), n, each/much, Bytes, float64(much/little*little), func(worker, _ int) {
			for range much / little {
				read(buffer[worker*little:][:little])
			}
		}); err != nil {
			return err
		}
	}
	for _, n := range counts {
		if err := r.limit(readName("memory", n), n, each/much, Bytes, float64(much), func(_, task int) { read(buffer[task*much:][:much]) }); err != nil {
			return err
		}
	}
	return nil
}

// limit measures n workers that do tasks tasks for each of them; any may do any, as in the executor. work is that of a task.
func (r *runner) limit(name string, n, tasks int, unit string, work float64, f func(worker, task int)) error {
	samples, err := r.sample(name, func() error {
		var wg sync.WaitGroup
		var next atomic.Int64
		worker := func(i int) {
			for task := int(next.Add(1)) - 1; task < n*tasks; task = int(next.Add(1)) - 1 {
				f(i, task)
			}
		}
		for i := 1; i < n; i++ {
			wg.Go(func() { worker(i) })
		}
		worker(0)
		wg.Wait()
		return nil
	})
	if err != nil {
		return err
	}
	r.report.add(Row{Group: Limits, Name: name, Unit: unit, Work: work * float64(n*tasks), Seconds: samples})
	return nil
}
