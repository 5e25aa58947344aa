package bench

import (
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/machine"
)

// busy is the processor time that loops which never wait had, and what they would have had alone on the machine.
type busy struct{ used, wanted time.Duration }

// probe lets all workers compute for a while and looks how much of their processors they had.
func (r *runner) probe() {
	long := 50 * time.Millisecond
	if r.small {
		long = 5 * time.Millisecond
	}
	loop := r.tier.Peak().F32
	used, start := machine.ProcessorTime(), time.Now()
	var wg sync.WaitGroup
	for range r.Threads {
		wg.Go(func() {
			for time.Since(start) < long {
				loop(1000)
			}
		})
	}
	wg.Wait()
	r.busy.used += machine.ProcessorTime() - used
	r.busy.wanted += time.Duration(r.Threads) * time.Since(start)
	if r.busy.used > 0 {
		r.report.Processor = min(1, r.busy.used.Seconds()/r.busy.wanted.Seconds())
	}
}

// Busy says that other work ran beside a report's.
func (r *Report) Busy() bool { return r.Processor > 0 && r.Processor < Quiet }
