package bench

import (
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Speed measures, in some 10 ms, how many multiply-adds a second the tier in use does at most on so many workers, on registers alone.
func Speed(prec program.Precision, workers int) float64 {
	const rounds = 2000
	tier := kernel.Best()
	p := tier.Peak()
	loop, ops := p.F32, p.F32Ops
	if prec == program.BF16 && p.BF16 != nil {
		loop, ops = p.BF16, p.BF16Ops
	}
	loop(rounds) // the clock may be low before
	calls := make([]int, max(workers, 1))
	start := time.Now()
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			for time.Since(start) < 10*time.Millisecond {
				loop(rounds)
				calls[i]++
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range calls {
		total += n
	}
	return float64(total) * rounds * float64(ops) / 2 / time.Since(start).Seconds()
}
