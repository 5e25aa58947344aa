package cpu

import (
	"context"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// function is an activation's definition; nil for none.
func function(a program.Activation) func(float32) float32 {
	switch a {
	case program.SiLU:
		return numeric.SiLU
	case program.GELU:
		return numeric.GELU
	case program.QuickGELU:
		return numeric.QuickGELU
	case program.GELUTanh:
		return numeric.GELUTanh
	case program.ReLU:
		return func(x float32) float32 { return max(x, 0) }
	}
	return nil
}

// span is the number of elements that a pointwise task treats.
const span = 1 << 12

// pointwise runs the operations that treat each element alone.
func (x *exec) pointwise(ctx context.Context, in *program.Instr) error {
	dst, a := x.f32(in.Out[0]), x.f32(in.In[0])
	if _, ok := in.Op.(*program.GEGLU); ok {
		n := x.p.Shape(in.Out[0])[len(x.p.Shape(in.Out[0]))-1]
		return x.rows(ctx, len(dst)/n, n, func(r int) { kernel.GEGLU(dst[r*n:(r+1)*n], a[2*r*n:2*(r+1)*n]) })
	}
	return x.pool.do(ctx, (len(dst)+span-1)/span, func(_, i int) {
		lo, hi := i*span, min((i+1)*span, len(dst))
		switch op := in.Op.(type) {
		case *program.Activate:
			kernel.Map(dst[lo:hi], a[lo:hi], function(op.Act))
		case *program.Add:
			kernel.Add(dst[lo:hi], a[lo:hi], x.f32(in.In[1])[lo:hi])
		case *program.Affine:
			kernel.Affine(dst[lo:hi], a[lo:hi], op.Mul, op.Add)
		case *program.Guidance:
			kernel.Guidance(dst[lo:hi], a[lo:hi], x.f32(in.In[1])[lo:hi], op.Scale)
		case *program.SolverStep:
			solverStep(op.Prediction, dst[lo:hi], a[lo:hi], x.f32(in.In[1])[lo:hi], (*[4]float32)(x.f32(in.In[2])))
		}
	})
}

// solverStep is one step of DDIM; see [program.SolverStep].
func solverStep(p program.Prediction, dst, x, model []float32, c *[4]float32) {
	alpha, sigma, alphaPrev, sigmaDir := c[0], c[1], c[2], c[3]
	for i, v := range x {
		m := model[i]
		var x0, e float32
		switch p {
		case program.PredictV:
			x0 = float32(alpha*v) - float32(sigma*m)
			e = float32(alpha*m) + float32(sigma*v)
		case program.PredictSample:
			x0 = m
			e = (v - float32(alpha*m)) / sigma
		default:
			x0 = (v - float32(sigma*m)) / alpha
			e = m
		}
		dst[i] = float32(alphaPrev*x0) + float32(sigmaDir*e)
	}
}
