package cpu

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Executor runs programs on the processor.
type Executor struct {
	tier    kernel.Tier
	banding program.Banding
	packer  *packer // nil where nothing is kept
}

// bands is how large images are made band by band: those above 16 MB, and above an arena of 3.5 GB convolutions are
// computed again rather than stored.
var bands = program.Banding{Least: 1 << 24, Most: 3_500_000_000, Band: 1 << 24, LeastOf: 16}

// New returns the executor with the best tier that this machine has and FLOW_CPU allows.
func New() *Executor { return &Executor{tier: kernel.Best(), banding: bands} }

// WithTier returns an executor that uses the given inner loops: for tests of tiers.
func WithTier(t kernel.Tier) *Executor { return &Executor{tier: t, banding: bands} }

// lowMemoryArena is the arena above which convolutions are computed again where memory is short.
const lowMemoryArena = 900_000_000

// SaveMemory makes programs with large images compute more again and store less. It changes no result.
func (e *Executor) SaveMemory() { e.banding.Most = lowMemoryArena }

// Name implements program.Executor.
func (e *Executor) Name() string { return "cpu" }

// Tier names the inner loops in use.
func (e *Executor) Tier() string { return e.tier.Name }

// Compile implements program.Executor. Vectors (biases, gains) are widened now;
// matrices stay where they are.
func (e *Executor) Compile(p *program.Program, opt program.Options) (program.Exec, error) {
	if program.Uses(p, program.F16) {
		return nil, fmt.Errorf("%s: precision fp16 is the quick class of device cuda; on a processor that is bf16 (numerics.precision: bf16, or --precision bf16)", p.Name)
	}
	postponed := e.postponed(p, opt.Weights)
	weights, err := program.BindWeightsBut(p, opt.Weights, postponed)
	if err != nil {
		return nil, err
	}
	x := e.exec(p, opt.Threads)
	x.postponed = postponed
	for id, w := range weights {
		if w.Data != nil || postponed[program.ID(id)] {
			x.weights[id] = weightOf(w)
		}
	}
	x.lowMemory = opt.LowMemory
	x.content, _ = opt.Weights.(program.ContentSource)
	x.pool.guard = func(f func() error) error { return f() }
	if opt.Weights != nil {
		x.pool.guard = opt.Weights.Guard
	}
	if err := x.pool.guard(x.widenVectors); err != nil {
		return nil, err
	}
	if err := x.prepare(); err != nil {
		return nil, err
	}
	if x.lowMemory { // what making vectors has read, and what the system has mapped around each
		x.dropAll()
	}
	x.findPanels(e.packer)
	if err := x.makePostponed(opt.Weights); err != nil {
		_ = x.Close()
		return nil, err
	}
	return x, nil
}

// exec is a program without weights.
func (e *Executor) exec(p *program.Program, workers int) *exec {
	banded := program.Bands(p, e.banding)
	p = banded.Program
	x := &exec{p: p, of: banded.Of, tier: e.tier, windows: make(map[program.ID]window),
		weights: make([]kernel.Weight, len(p.Values)), vectors: make([][]float32, len(p.Values)), pool: pool{threads: threads(workers)}}
	x.findWords()
	x.findVectors()
	x.plan = program.PlanMemoryOf(p, x.asWords)
	return x
}

// Estimate gives the PeakBytes that a program will have, from its shapes alone.
func (e *Executor) Estimate(p *program.Program, threads int) int64 {
	x := e.exec(p, threads)
	if x.prepare() != nil {
		return x.plan.Bytes // Compile will say what is wrong
	}
	return x.PeakBytes()
}

func weightOf(w program.WeightData) kernel.Weight {
	out := kernel.Weight{Data: w.Data, Format: kernel.Format(w.Type), C: 1, Taps: 1}
	if len(w.Shape) > 1 {
		out.C = w.Shape[1]
		out.Taps = program.Elems(w.Shape[2:])
	}
	return out
}

// widenVectors keeps the weights that findVectors lists as fp32.
func (x *exec) widenVectors() error {
	for _, id := range x.widened {
		if x.weights[id].Data == nil {
			continue
		}
		x.vectors[id] = make([]float32, x.p.Value(id).Elems())
		x.weights[id].Widen(x.vectors[id], 0)
	}
	return nil
}

// findVectors lists the weights that are widened: vectors, and those that are read as values.
func (x *exec) findVectors() {
	asValue := make(map[program.ID]bool)
	for i := range x.p.Instrs {
		if _, ok := x.p.Instrs[i].Op.(*program.Reshape); ok {
			asValue[x.p.Instrs[i].In[0]] = true
		}
	}
	for id := range x.p.Values {
		v := &x.p.Values[id]
		if v.Origin == program.FromWeight && (len(v.Shape) == 1 || asValue[program.ID(id)]) {
			x.widened = append(x.widened, program.ID(id))
			x.vectorBytes += 4 * int64(v.Elems())
		}
	}
}

// operation is an instruction, ready to run.
type operation interface{ run() error }

// needs is the working memory of an operation, in floats: shared by all workers, of each, and of each one's loops; and the rows of
// pointers of a worker.
type needs struct{ shared, worker, ends, taps int }

// ends is what the loops of products keep for so many rows of so many columns.
func (x *exec) ends(rows, cols int) int {
	if x.tier.Working == nil {
		return 0
	}
	return x.tier.Working(rows, cols)
}

// prepare makes the operations and finds the largest working memory that one needs.
func (x *exec) prepare() error {
	x.ops = make([]operation, len(x.p.Instrs))
	for i := range x.p.Instrs {
		op, n := x.operation(&x.p.Instrs[i])
		if op == nil {
			return fmt.Errorf("%s: the cpu executor has no operation %q", x.p.Instrs[i].Scope, x.p.Instrs[i].Op.Name())
		}
		x.ops[i] = op
		x.needs.shared, x.needs.worker = max(x.needs.shared, n.shared), max(x.needs.worker, n.worker)
		x.needs.ends, x.needs.taps = max(x.needs.ends, n.ends), max(x.needs.taps, n.taps)
	}
	x.keepPanels()
	return nil
}

// operation prepares one instruction; nil where there is none for it.
func (x *exec) operation(in *program.Instr) (operation, needs) {
	switch op := in.Op.(type) {
	case *program.Product:
		if op.Algorithm == program.Winograd {
			return x.newWinograd(in, op)
		}
		return x.newProduct(in, op)
	case *program.Chain:
		return x.newChain(in, op)
	case *program.Attention:
		return x.newAttention(in, op)
	case *program.GroupNorm:
		return x.newGroupNorm(in, op)
	case *program.LayerNorm:
		return x.newLayerNorm(in, op)
	case *program.Activate, *program.GEGLU, *program.Add, *program.Affine, *program.Guidance, *program.SelfGuidance, *program.SolverStep:
		return x.newPointwise(in), needs{}
	case *program.AttentionColumns:
		return x.newColumns(in, op)
	case *program.Degrade:
		return x.newDegrade(in, op)
	case *program.Upsample:
		return &upsample{x: x, in: in}, needs{}
	case *program.Normals:
		return &normals{x: x, in: in, op: op}, needs{}
	case *program.Embed, *program.Row, *program.StepRow, *program.Concat, *program.Slice, *program.Repeat, *program.Reshape, *program.Sinusoid:
		return &move{x, in}, needs{}
	}
	return nil, needs{}
}

// PeakBytes implements program.Exec.
func (x *exec) PeakBytes() int64 {
	return x.plan.Bytes + x.vectorBytes + 4*(int64(x.needs.shared)+int64(x.needs.worker+x.needs.ends)*int64(x.pool.threads)+x.kept)
}

// Close implements program.Exec. The exec is not run again.
func (x *exec) Close() error {
	x.closePanels()
	x.dropAll()
	x.arena, x.shared, x.pool.workers, x.ops = nil, nil, nil, nil // operations hold parts of the arena
	return nil
}
