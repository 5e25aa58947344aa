package cpu

import (
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// activation is a function of slices; nil for none.
func (x *exec) activation(a program.Activation) func(dst, x []float32) {
	switch a {
	case program.SiLU:
		return x.tier.SiLU
	case program.GELU:
		return x.tier.GELU
	case program.QuickGELU:
		return x.tier.QuickGELU
	case program.GELUTanh:
		return func(dst, x []float32) { kernel.Map(dst, x, numeric.GELUTanh) }
	case program.ReLU:
		return func(dst, x []float32) { kernel.Map(dst, x, func(v float32) float32 { return max(v, 0) }) }
	}
	return nil
}

// pointwise is an operation that treats each element alone; a task is a stretch of elements.
type pointwise struct {
	x    *exec
	in   *program.Instr
	act  func(dst, x []float32)
	span int // elements of a task
	row  int // elements of a row of the result

	dst, a, b, c []float32
}

func (x *exec) newPointwise(in *program.Instr) *pointwise {
	s := x.p.Shape(in.Out[0])
	p := &pointwise{x: x, in: in, span: floats, row: s[len(s)-1]}
	switch op := in.Op.(type) {
	case *program.Activate:
		p.act = x.activation(op.Act)
	case *program.GEGLU:
		p.span = max(1, floats/p.row) * p.row
	}
	return p
}

func (p *pointwise) run() error {
	p.dst, p.a = p.x.f32(p.in.Out[0]), p.x.f32(p.in.In[0])
	if len(p.in.In) > 1 {
		p.b = p.x.f32(p.in.In[1])
	}
	if len(p.in.In) > 2 {
		p.c = p.x.f32(p.in.In[2])
	}
	cost := len(p.dst)
	if p.act == nil {
		cost /= 4
	}
	return p.x.pool.do(p, (len(p.dst)+p.span-1)/p.span, cost)
}

func (p *pointwise) task(_ *worker, i int) {
	lo, hi := i*p.span, min((i+1)*p.span, len(p.dst))
	dst := p.dst[lo:hi]
	switch op := p.in.Op.(type) {
	case *program.Activate:
		p.act(dst, p.a[lo:hi])
	case *program.GEGLU:
		for ; lo < hi; lo += p.row {
			row := p.a[2*lo : 2*lo+2*p.row]
			p.x.tier.MulGELU(p.dst[lo:lo+p.row], row[:p.row], row[p.row:])
		}
	case *program.Add:
		p.x.tier.Add(dst, p.a[lo:hi], p.b[lo:hi])
	case *program.Affine:
		kernel.Affine(dst, p.a[lo:hi], op.Mul, op.Add)
	case *program.Guidance:
		kernel.Guidance(dst, p.a[lo:hi], p.b[lo:hi], op.Scale)
	case *program.SelfGuidance:
		kernel.SelfGuidance(dst, p.a[lo:hi], p.b[lo:hi], p.c[lo:hi], op.Scale)
	case *program.SolverStep:
		solverStep(op.Prediction, dst, p.a[lo:hi], p.b[lo:hi], (*[4]float32)(p.c))
	}
}

// solverStep is one step of DDIM; see [program.SolverStep].
func solverStep(p program.Prediction, dst, x, model []float32, c *[4]float32) {
	for i, v := range x {
		x0, e := estimate(p, v, model[i], c[0], c[1])
		dst[i] = float32(c[2]*x0) + float32(c[3]*e)
	}
}

// estimate splits x, of which a model says m, into the picture and the noise: x = alpha*x0 + sigma*e.
func estimate(p program.Prediction, x, m, alpha, sigma float32) (x0, e float32) {
	switch p {
	case program.PredictV:
		return float32(alpha*x) - float32(sigma*m), float32(alpha*m) + float32(sigma*x)
	case program.PredictSample:
		return m, (x - float32(alpha*m)) / sigma
	}
	return (x - float32(sigma*m)) / alpha, m
}
