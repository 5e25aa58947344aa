package cpu

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/seed-8af8f8e1/flow/internal/panels"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Packed says what there is of a program's packed weights.
type Packed struct {
	Files, Made int   // that the program uses; of these, made now
	Bytes       int64 // of all
}

// errElsewhere says that another process packs.
var errElsewhere = errors.New("another process packs weights: wait for it, or end it")

// PackAll packs at once, on all workers, what a program reads and no earlier run has packed. Nothing is kept of programs that are
// small as a whole.
func (e *Executor) PackAll(ctx context.Context, p *program.Program, opt program.Options) (Packed, error) {
	k := e.packer
	if k == nil {
		return Packed{}, errors.New("packed weights are not kept on this kind of processor")
	}
	compiled, err := (&Executor{tier: e.tier, banding: e.banding}).Compile(p, opt)
	if err != nil {
		return Packed{}, err
	}
	defer func() { _ = compiled.Close() }()
	x := compiled.(*exec)
	tasks, size := x.tasks(k)
	if size < k.least {
		return Packed{}, nil
	}
	unlock, ok := k.Store.Lock()
	if !ok {
		return Packed{}, errElsewhere
	}
	defer unlock()
	seen := make(map[panels.ID]bool)
	out := Packed{}
	var made atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(threads(opt.Threads))
	for _, t := range tasks {
		if seen[t.id] {
			continue
		}
		seen[t.id] = true
		out.Files++
		out.Bytes += t.id.Size()
		group.Go(func() error {
			if k.Store.Has(t.id) {
				return ctx.Err()
			}
			made.Add(1)
			defer t.content.Drop(t.name)
			return k.pack(&t, &rester{ctx: ctx, share: 1, woke: time.Now()})
		})
	}
	err = group.Wait()
	out.Made = int(made.Load())
	return out, err
}

// threads is the number of workers that an option asks for.
func threads(n int) int {
	if n <= 0 {
		return runtime.GOMAXPROCS(0)
	}
	return n
}
