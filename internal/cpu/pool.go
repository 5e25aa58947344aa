package cpu

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// pool divides tasks among workers.
type pool struct {
	threads int
	guard   func(func() error) error // catches faults in mapped weights
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

// do runs task(worker, i) for each i below n on the workers; a worker has one number below
// threads. It stops early, with the context's error, between two tasks.
func (p *pool) do(ctx context.Context, n int, task func(worker, i int)) error {
	workers := min(p.threads, n)
	if workers <= 1 {
		return p.work(ctx, 0, n, new(atomic.Int64), task)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := 1; w < workers; w++ {
		wg.Go(func() { errs[w] = p.work(ctx, w, n, &next, task) })
	}
	errs[0] = p.work(ctx, 0, n, &next, task)
	wg.Wait()
	for _, err := range errs {
		if wp, ok := err.(*WorkerPanic); ok {
			panic(wp)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *pool) work(ctx context.Context, worker, n int, next *atomic.Int64, task func(worker, i int)) (err error) {
	return p.guard(func() (err error) {
		if worker != 0 {
			defer func() {
				if v := recover(); v != nil {
					if _, fault := v.(interface{ Addr() uintptr }); fault {
						panic(v) // a fault in mapped memory: the guard's
					}
					err = &WorkerPanic{v, string(debug.Stack())}
				}
			}()
		}
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			task(worker, i)
		}
	})
}
