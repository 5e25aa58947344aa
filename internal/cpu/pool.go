package cpu

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
)

// job is work that is cut into tasks; any worker may do any task, in any order.
type job interface{ task(w *worker, i int) }

// worker is what one goroutine needs for its tasks.
type worker struct {
	pool    *pool
	id      int
	wake    chan struct{}
	scratch []float32
	ends    kernel.Ends
	terms   kernel.Terms
	panels  [][]float32 // of terms
	acc     kernel.Tile
	tiles   []float32 // sums before an activation
	init    []float32 // biases
	taps    [][kernel.MR][]float32
	soft    [kernel.MR]kernel.Softmax
	block   kernel.Block
}

// pool divides tasks among workers. The goroutine that calls do is worker 0; the others live from
// start to stop, and wait between jobs.
type pool struct {
	threads int
	guard   func(func() error) error // catches faults in mapped weights

	workers []*worker
	alive   sync.WaitGroup
	ctx     context.Context

	// The current job.
	job  job
	n    int
	next atomic.Int64
	busy sync.WaitGroup
	errs []error // by worker
}

// WorkerPanic carries a panic of a worker to the goroutine that called Run.
type WorkerPanic struct {
	Value any
	Stack string
}

// Error implements error.
func (p *WorkerPanic) Error() string {
	return fmt.Sprintf("panic in a worker: %v\n%s", p.Value, p.Stack)
}

// start wakes the workers for one run.
func (p *pool) start(ctx context.Context) {
	p.ctx = ctx
	p.errs = make([]error, p.threads)
	for _, w := range p.workers[1:] {
		w.wake = make(chan struct{}, 1)
		p.alive.Go(func() {
			for p.serve(w) {
			}
		})
	}
}

// stop ends the run's workers and waits for them, also where a panic has left a job unfinished.
func (p *pool) stop() {
	p.next.Store(1 << 62)
	for _, w := range p.workers[1:] {
		close(w.wake)
	}
	p.alive.Wait()
	p.job = nil
}

// small is the cost of a job below which waking the others takes longer than doing it alone.
const small = 20_000

// do runs tasks 0..n-1 of a job. It stops early, with the context's error, between
// two tasks. cost is a rough estimate of the whole job in nanoseconds.
func (p *pool) do(j job, n, cost int) error {
	p.job, p.n = j, n
	p.next.Store(0)
	helpers := min(p.threads, n) - 1
	if helpers <= 0 || cost < small {
		return p.work(p.workers[0])
	}
	p.busy.Add(helpers)
	for _, w := range p.workers[1 : 1+helpers] {
		w.wake <- struct{}{}
	}
	p.errs[0] = p.work(p.workers[0])
	p.busy.Wait()
	var first error
	for i := range p.errs[:1+helpers] {
		err := p.errs[i]
		p.errs[i] = nil
		if wp, ok := err.(*WorkerPanic); ok {
			panic(wp)
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// work does tasks of the current job until none is left.
func (p *pool) work(w *worker) error {
	for {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		i := int(p.next.Add(1)) - 1
		if i >= p.n {
			return nil
		}
		p.job.task(w, i)
	}
}

// stopped says whether the run is cancelled: long tasks ask now and then, and may then stop anywhere.
func (w *worker) stopped() bool { return w.pool.ctx.Err() != nil }

// serve does its share of jobs until the pool stops (false) or a fault or panic ends one (true).
func (p *pool) serve(w *worker) (again bool) {
	defer func() {
		if v := recover(); v != nil {
			p.errs[w.id] = &WorkerPanic{v, string(debug.Stack())}
			again = true
			p.busy.Done()
		}
	}()
	err := p.guard(func() error {
		for range w.wake {
			p.errs[w.id] = p.work(w)
			p.busy.Done()
		}
		return nil
	})
	if err == nil {
		return false
	}
	p.errs[w.id] = err
	p.busy.Done()
	return true
}
