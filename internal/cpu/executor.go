package cpu

import (
	"fmt"
	"runtime"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Executor runs programs on the processor.
type Executor struct {
	products kernel.Products
}

// New returns the executor with the best tier that this machine has and FLOW_CPU allows.
func New() *Executor { return &Executor{products: kernel.Best()} }

// WithTier returns an executor that uses the given inner loops: for tests of tiers.
func WithTier(p kernel.Products) *Executor { return &Executor{products: p} }

// Name implements program.Executor.
func (e *Executor) Name() string { return "cpu" }

// Tier names the inner loops in use.
func (e *Executor) Tier() string { return e.products.Name }

// Compile implements program.Executor. Vectors (biases, gains) are widened now;
// matrices stay where they are.
func (e *Executor) Compile(p *program.Program, opt program.Options) (program.Exec, error) {
	threads := opt.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	weights, err := program.BindWeights(p, opt.Weights)
	if err != nil {
		return nil, err
	}
	x := &exec{p: p, opt: opt, products: e.products, plan: program.PlanMemory(p),
		weights: make([]kernel.Weight, len(p.Values)), vectors: make([][]float32, len(p.Values)), pool: pool{threads: threads}}
	for id, w := range weights {
		if w.Data == nil {
			continue
		}
		x.weights[id] = weightOf(w)
	}
	x.pool.guard = func(f func() error) error { return f() }
	if opt.Weights != nil {
		x.pool.guard = opt.Weights.Guard
	}
	if err := x.pool.guard(x.widenVectors); err != nil {
		return nil, err
	}
	x.sizeScratch()
	return x, nil
}

func weightOf(w program.WeightData) kernel.Weight {
	out := kernel.Weight{Data: w.Data, Format: kernel.Format(w.Type), C: 1, Taps: 1}
	if len(w.Shape) > 1 {
		out.C = w.Shape[1]
		out.Taps = program.Elems(w.Shape[2:])
	}
	return out
}

// widenVectors keeps the weights of one dimension as fp32.
func (x *exec) widenVectors() error {
	for id := range x.weights {
		v := x.p.Value(program.ID(id))
		if x.weights[id].Data == nil || len(v.Shape) != 1 {
			continue
		}
		x.vectors[id] = make([]float32, v.Elems())
		x.weights[id].Widen(x.vectors[id], 0)
	}
	return nil
}

// sizeScratch finds the largest working memory that an instruction needs: rounded
// operands (shared) and packed panels (for each worker).
func (x *exec) sizeScratch() {
	for i := range x.p.Instrs {
		in := &x.p.Instrs[i]
		switch op := in.Op.(type) {
		case *program.Product:
			shared, panel := x.productScratch(in, op)
			x.shared, x.perWorker = max(x.shared, shared), max(x.perWorker, panel)
		case *program.Attention:
			x.perWorker = max(x.perWorker, x.attentionScratch(in, op))
		case *program.GroupNorm:
			x.perWorker = max(x.perWorker, 2*x.p.Shape(in.Out[0])[len(x.p.Shape(in.Out[0]))-1])
		}
	}
}

// PeakBytes implements program.Exec.
func (x *exec) PeakBytes() int64 {
	return x.plan.Bytes + 4*int64(x.shared) + 4*int64(x.perWorker)*int64(x.pool.threads)
}

// Close implements program.Exec.
func (x *exec) Close() error {
	x.arena, x.rounded, x.scratch = nil, nil, nil
	return nil
}

// inputError says that an input does not fit its declaration.
func inputError(name, format string, args ...any) error {
	return fmt.Errorf("input %q of the program: %s", name, fmt.Sprintf(format, args...))
}
