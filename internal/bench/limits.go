package bench

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/machine"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Sizes of memory that a worker reads.
const (
	cacheBytes = 192 << 10 // more than a first-level cache has, and less than a second-level one
	dramBytes  = 128 << 20 // more than caches have
	dramLeast  = 32 << 20  // where many workers share the memory
)

// dram is what each of n workers reads of memory: 1 GiB together at most, and a quarter of what may be used, or else dramLeast.
func (r *runner) dram(n int) int {
	most := int64(1 << 30)
	if r.Memory > 0 {
		most = min(most, r.Memory/4)
	}
	return r.size(max(dramLeast, min(dramBytes, int(most/int64(n))&^(kernel.ReadUnit-1))))
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
	if err := r.limit("SHA-256, 1 worker", 1, Bytes, float64(len(block)), func(int) { sha256.Sum256(block) }); err != nil {
		return err
	}
	if r.busy.used > 0 {
		r.report.Processor = min(1, r.busy.used.Seconds()/r.busy.wanted.Seconds())
	}
	return nil
}

// busy is the processor time that loops which never wait had, and what they would have had alone on the machine.
type busy struct{ used, wanted time.Duration }

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
	return r.limit(peakName(tier, prec, n), n, FLOP, float64(ops)*float64(calls)*rounds, func(int) {
		for range calls {
			f(rounds)
		}
	})
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

// reading measures the reading of memory.
func (r *runner) reading(counts []int) error {
	read := r.tier.Peak().Read
	for _, what := range []struct {
		name        string
		bytes, each int // of a buffer; a sample reads so many
	}{{"cache", r.size(cacheBytes), r.size(dramBytes)}, {"memory", r.dram(slices.Max(counts)), r.dram(slices.Max(counts))}} {
		buffers := make([][]byte, slices.Max(counts))
		for i := range buffers {
			buffers[i] = make([]byte, what.bytes)
			for j := 0; j < len(buffers[i]); j += 4096 {
				buffers[i][j] = 1 // or else all pages are one page of zeros
			}
		}
		for _, n := range counts {
			times := what.each / what.bytes
			err := r.limit(readName(what.name, n), n, Bytes, float64(times*what.bytes), func(worker int) {
				for range times {
					read(buffers[worker])
				}
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// limit measures f on n workers at once; work is that of one worker.
func (r *runner) limit(name string, n int, unit string, work float64, f func(worker int)) error {
	used, start := machine.ProcessorTime(), time.Now()
	samples, err := r.sample(name, func() error {
		var wg sync.WaitGroup
		for i := 1; i < n; i++ {
			wg.Go(func() { f(i) })
		}
		f(0)
		wg.Wait()
		return nil
	})
	if err != nil {
		return err
	}
	r.busy.used += machine.ProcessorTime() - used
	r.busy.wanted += time.Duration(n) * time.Since(start)
	r.report.add(Row{Group: Limits, Name: name, Unit: unit, Work: work * float64(n), Seconds: samples})
	return nil
}
