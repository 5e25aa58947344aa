// Package ref executes programs with plain loops: no tiles, no threads, no tricks. Every operation is computed in
// float64 from its fp32 operands and rounded to fp32 once; what docs/numerics.md says of operands
// (bf16 rounding, the blocks of keys against which weights are rounded, the fp32 steps of a sinusoid's
// angle) is obeyed. So it has no bits that anyone must match: it judges how accurate the others are.
package ref

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Executor is the reference.
type Executor struct{}

// New returns the reference executor.
func New() Executor { return Executor{} }

// Name implements program.Executor.
func (Executor) Name() string { return "ref" }

// Compile implements program.Executor: it widens all weights.
func (Executor) Compile(p *program.Program, opt program.Options) (program.Exec, error) {
	bound, err := program.BindWeights(p, opt.Weights)
	if err != nil {
		return nil, err
	}
	x := &exec{p: p, values: make([]program.Tensor, len(p.Values))}
	widenAll := func() error {
		for id, w := range bound {
			if w.Data != nil {
				x.values[id] = program.Tensor{Shape: p.Shape(program.ID(id)), F: widen(w)}
			}
		}
		return nil
	}
	if opt.Weights == nil {
		return x, widenAll()
	}
	if err := opt.Weights.Guard(widenAll); err != nil {
		return nil, err
	}
	return x, nil
}

// widen decodes stored numbers; float64 is rounded to float32.
func widen(w program.WeightData) []float32 {
	out := make([]float32, len(w.Data)/w.Type.Size())
	for i := range out {
		switch w.Type {
		case program.WF16:
			out[i] = numeric.FromF16(binary.LittleEndian.Uint16(w.Data[2*i:]))
		case program.WBF16:
			out[i] = numeric.FromBF16(binary.LittleEndian.Uint16(w.Data[2*i:]))
		case program.WF64:
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(w.Data[8*i:])))
		default:
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(w.Data[4*i:]))
		}
	}
	return out
}

// PeakBytes implements program.Exec: all values live at once.
func (x *exec) PeakBytes() int64 {
	total := int64(0)
	for i := range x.p.Values {
		if v := &x.p.Values[i]; v.Origin != program.FromInput {
			total += int64(v.Elems()) * int64(v.DType.Size())
		}
	}
	return total
}

// Close implements program.Exec.
func (x *exec) Close() error {
	x.values = nil
	return nil
}

// compute runs one instruction.
func (x *exec) compute(in *program.Instr) error {
	switch op := in.Op.(type) {
	case *program.Product:
		x.product(in, op)
	case *program.Attention:
		x.attention(in, op)
	case *program.AttentionColumns:
		x.attentionColumns(in, op)
	case *program.Degrade:
		x.degrade(in, op)
	case *program.GroupNorm:
		x.groupNorm(in, op)
	case *program.LayerNorm:
		x.layerNorm(in, op)
	case *program.Activate, *program.GEGLU, *program.Add, *program.Affine, *program.Guidance, *program.SelfGuidance, *program.SolverStep:
		x.pointwise(in)
	case *program.Sinusoid:
		x.sinusoid(in, op)
	case *program.Normals:
		x.normals(in, op)
	case *program.Embed:
		return x.embed(in)
	case *program.Row:
		return x.row(in)
	default:
		return x.move(in)
	}
	return nil
}

// unknown says that an operation is not in the closed set.
func unknown(in *program.Instr) error {
	return fmt.Errorf("%s: the ref executor has no operation %q", in.Scope, in.Op.Name())
}
