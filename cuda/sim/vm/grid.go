package vm

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Checks says which mistakes a run looks for beside those that cost nothing: addresses outside allocations and after
// their release, misalignment and barriers are always checked.
type Checks uint8

// What costs time.
const (
	CheckWritten Checks = 1 << iota // reads of bytes that nothing wrote
	CheckShared                     // races in shared memory
	CheckStreams                    // races between streams
	CountAccess                     // sectors, bank conflicts
	// Full and Quick are all and none.
	Full  = CheckWritten | CheckShared | CheckStreams | CountAccess
	Quick = Checks(0)
)

// Config says how kernels run.
type Config struct {
	Checks  Checks
	MMA     MMAModel
	Workers int    // goroutines; 0 for one a processor
	Seed    uint64 // of the order in which blocks and warps run
	Limit   int64  // instructions of a warp; 0 for 2^28
}

// Launch is a grid to run.
type Launch struct {
	Kernel      *Kernel
	Grid, Block [3]int
	Dynamic     int // bytes of dynamic shared memory of a block
	Args        []uint64
	Only        []int  // numbers of the blocks that run, X varying fastest; nil for all
	Order       *Order // for races between streams; nil where none are looked for
}

// pcCount is how often an instruction ran, and for how many lanes.
type pcCount struct{ runs, lanes uint64 }

// worker runs blocks of a launch, one after the other.
type worker struct {
	mem    *Memory
	launch *Launch
	config *Config
	blk    *block
	counts []pcCount
	count  Counters
	rand   random
	init32 [][][lanes]uint32 // registers of each warp at a block's start
	init64 [][][lanes]uint64
	matrix matrixScratch

	dropped [16]byte // what is written to addresses without memory
}

// Validate says why a launch is impossible, or nil.
func (l *Launch) Validate() error {
	k := l.Kernel
	threads := 1
	for i, n := range l.Block {
		if n < 1 || n > 1024 || i == 2 && n > 64 {
			return fmt.Errorf("a block of %v threads: at least 1, at most 1024, 1024 and 64", l.Block)
		}
		if k.Exact && n != k.MaxTid[i] {
			return fmt.Errorf("a block of %v threads: the kernel %s is made for %v", l.Block, k.Name, k.MaxTid)
		}
		threads *= n
	}
	if most := l.Grid[0] * l.Grid[1] * l.Grid[2]; slices.ContainsFunc(l.Only, func(i int) bool { return i < 0 || i >= most }) {
		return fmt.Errorf("blocks %v of a grid of %v", l.Only, l.Grid)
	}
	most := 1024
	if k.MaxTid != [3]int{} {
		most = min(most, k.MaxTid[0]*k.MaxTid[1]*k.MaxTid[2])
	}
	if threads > most {
		return fmt.Errorf("a block of %d threads: the kernel %s has at most %d", threads, k.Name, most)
	}
	for i, n := range l.Grid {
		if n < 1 || i == 0 && n > 1<<31-1 || i > 0 && n > 65535 {
			return fmt.Errorf("a grid of %v blocks: at least 1, at most 2147483647, 65535 and 65535", l.Grid)
		}
	}
	if len(l.Args) != len(k.params) {
		return fmt.Errorf("%d arguments: the kernel %s has %d parameters", len(l.Args), k.Name, len(k.params))
	}
	if l.Dynamic < 0 || k.dynamicAt+l.Dynamic > maxShared {
		return fmt.Errorf("%d bytes of shared memory: at most %d", k.dynamicAt+l.Dynamic, maxShared)
	}
	return nil
}

// Run runs a launch to its end and adds what it did to the counters. The error is a *Fault, or from Validate.
func Run(mem *Memory, l *Launch, config *Config, total *Counters) error {
	if err := l.Validate(); err != nil {
		return err
	}
	blocks := l.Grid[0] * l.Grid[1] * l.Grid[2]
	step := permutation(blocks, config.Seed)
	if l.Only != nil {
		blocks, step = len(l.Only), func(i int) int { return l.Only[i] }
	}
	n := config.Workers
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	n = min(n, blocks)
	var next atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	workers := make([]*worker, n)
	faults := make([]error, n)
	for i := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			w := newWorker(mem, l, config, i)
			workers[i] = w
			for !stop.Load() {
				at := int(next.Add(1)) - 1
				if at >= blocks {
					return
				}
				if err := w.block(step(at)); err != nil {
					faults[i] = err
					stop.Store(true)
				}
			}
		}()
	}
	wg.Wait()
	total.Launches++
	total.Blocks += int64(blocks)
	for _, w := range workers {
		w.fold(total)
	}
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// permutation gives an order of the blocks by a step that shares no divisor with their number.
func permutation(n int, seed uint64) func(i int) int {
	if seed == 0 || n < 3 {
		return func(i int) int { return i }
	}
	r := random{seed}
	start, step := int(r.next()%uint64(n)), 1+int(r.next()%uint64(n-1))
	for gcd(step, n) != 1 {
		step++
	}
	return func(i int) int { return (start + i*step) % n }
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// block runs one block and gives its fault.
func (w *worker) block(i int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(*Fault)
			if !ok {
				panic(r)
			}
			err = f
		}
	}()
	g := w.launch.Grid
	w.blk.index = [3]int{i % g[0], i / g[0] % g[1], i / (g[0] * g[1])}
	w.blk.run()
	return nil
}

// IsFault gives the fault of an error, if it is one.
func IsFault(err error) (*Fault, bool) {
	var f *Fault
	ok := errors.As(err, &f)
	return f, ok
}

// random is splitmix64 (Steele, Lea and Flood, 2014).
type random struct{ s uint64 }

func (r *random) next() uint64 {
	r.s += 0x9e3779b97f4a7c15
	z := r.s
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (r *random) shuffle(p []int) {
	for i := len(p) - 1; i > 0; i-- {
		j := int(r.next() % uint64(i+1))
		p[i], p[j] = p[j], p[i]
	}
}
