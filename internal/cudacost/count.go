package cudacost

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
)

// counter counts what launches do, each sort of launch once: those of one kernel whose grid, arguments and tables are alike but for where operands
// lie.
type counter struct {
	mu    sync.Mutex
	known map[string]*vm.Counters
}

func newCounter() *counter { return &counter{known: make(map[string]*vm.Counters)} }

// key names the sort of a launch: addresses are left out but for their alignment, tables are spelt out.
func key(l *launch, r *cuda.Rehearsal, region *vm.Region) string {
	var b strings.Builder
	fmt.Fprint(&b, l.kernel.Name, l.grid, l.block, l.shared)
	base, _, size := r.Memory()
	word := func(v uint64) bool {
		inside := v >= uint64(base) && v < uint64(base)+uint64(size)
		if inside {
			fmt.Fprintf(&b, " p%d", v%granule)
		} else {
			fmt.Fprintf(&b, " %x", v)
		}
		return inside
	}
	for _, a := range l.args {
		if !word(a) {
			continue
		}
		n := r.Table(driver.Ptr(a))
		for at := 0; at+8 <= n; at += 8 {
			word(binary.LittleEndian.Uint64(region.Data[int64(a-region.Base)-region.Blank+int64(at):]))
		}
	}
	return b.String()
}

// part is a block that stands for others.
type part struct {
	index  int
	weight int64
}

// parts chooses blocks: of the first two axes of a grid the last block, which may lie over an edge, and one from the middle for all others; of the third one.
func parts(grid driver.Dim) (out []part) {
	axis := func(n int) []part {
		if n == 1 {
			return []part{{0, 1}}
		}
		return []part{{(n - 1) / 2, int64(n - 1)}, {n - 1, 1}}
	}
	for _, y := range axis(grid.Y) {
		for _, x := range axis(grid.X) {
			out = append(out, part{y.index*grid.X + x.index, x.weight * y.weight * int64(grid.Z)})
		}
	}
	return out
}

// count runs the blocks that stand for a launch and scales what they did to the grid.
func (l *launch) count(mem *vm.Memory) (*vm.Counters, error) {
	total := new(vm.Counters)
	for _, p := range parts(l.grid) {
		c, err := l.run(mem, []int{p.index})
		if err != nil {
			return nil, err
		}
		c.Scale(p.weight)
		total.Add(c)
	}
	total.Launches = 1
	return total, nil
}

// run runs some of a launch's blocks; nil for all.
func (l *launch) run(mem *vm.Memory, only []int) (*vm.Counters, error) {
	c := new(vm.Counters)
	err := vm.Run(mem, &vm.Launch{Kernel: l.kernel, Grid: [3]int{l.grid.X, l.grid.Y, l.grid.Z}, Block: [3]int{l.block.X, l.block.Y, l.block.Z},
		Dynamic: l.shared, Args: l.args, Only: only}, &vm.Config{Checks: vm.CountAccess, MMA: vm.Idle, Workers: 1}, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.kernel.Name, err)
	}
	return c, nil
}

// all counts launches whose sort is not known yet, on all processors. The keys are those of the launches.
func (c *counter) all(ctx context.Context, mem *vm.Memory, launches []launch, keys []string, progress func(done, total int)) error {
	var work []int
	for i, k := range keys {
		if _, ok := c.known[k]; !ok {
			c.known[k] = nil
			work = append(work, i)
		}
	}
	var wg sync.WaitGroup
	var failed error
	next, done := 0, 0
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				c.mu.Lock()
				if failed == nil {
					failed = ctx.Err()
				}
				if next >= len(work) || failed != nil {
					c.mu.Unlock()
					return
				}
				i := work[next]
				next++
				c.mu.Unlock()
				counters, err := launches[i].count(mem)
				c.mu.Lock()
				if err != nil {
					failed = err
				} else {
					c.known[keys[i]] = counters
					done++
					progress(done, len(work))
				}
				c.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}
