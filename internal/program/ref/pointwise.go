package ref

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// activate is a pointwise function.
func activate(a program.Activation, x float32) float32 {
	v := float64(x)
	switch a {
	case program.SiLU:
		v /= 1 + math.Exp(-v)
	case program.GELU:
		v = gelu(v)
	case program.QuickGELU:
		v /= 1 + math.Exp(-1.702*v)
	case program.GELUTanh:
		v *= 0.5 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))
	case program.ReLU:
		v = math.Max(v, 0)
	}
	return float32(v)
}

// gelu is x times the normal distribution's share below x.
func gelu(x float64) float64 { return 0.5 * x * math.Erfc(-x/math.Sqrt2) }

// geglu is element i of a gated result of n channels: x has 2n, the values before the gates.
func geglu(x []float32, i, n int) float32 {
	row := x[i/n*2*n:][:2*n]
	return float32(float64(row[i%n]) * gelu(float64(row[n+i%n])))
}

// pointwise runs an operation that treats each element alone.
func (x *exec) pointwise(in *program.Instr) {
	out, a := x.f(in.Out[0]), x.f(in.In[0])
	s := x.p.Shape(in.Out[0])
	n := s[len(s)-1]
	for i := range out {
		var y float64
		switch op := in.Op.(type) {
		case *program.Activate:
			y = float64(activate(op.Act, a[i]))
		case *program.GEGLU:
			y = float64(geglu(a, i, n))
		case *program.Add:
			y = float64(a[i]) + float64(x.f(in.In[1])[i])
		case *program.Affine:
			y = float64(a[i])*float64(op.Mul) + float64(op.Add)
		case *program.Guidance:
			y = float64(a[i]) + float64(op.Scale)*(float64(x.f(in.In[1])[i])-float64(a[i]))
		case *program.SelfGuidance:
			y = float64(a[i]) + float64(op.Scale)*(float64(x.f(in.In[1])[i])-float64(x.f(in.In[2])[i]))
		case *program.SolverStep:
			y = solverStep(op.Prediction, float64(a[i]), float64(x.f(in.In[1])[i]), x.f(in.In[2]))
		}
		out[i] = float32(y)
	}
}

// solverStep is one step of DDIM; see [program.SolverStep].
func solverStep(p program.Prediction, x, model float64, c []float32) float64 {
	x0, e := estimate(p, x, model, float64(c[0]), float64(c[1]))
	return float64(c[2])*x0 + float64(c[3])*e
}

// estimate splits x, of which a model says model, into the picture and the noise: x = alpha*x0 + sigma*e.
func estimate(p program.Prediction, x, model, alpha, sigma float64) (x0, e float64) {
	switch p {
	case program.PredictV:
		return alpha*x - sigma*model, alpha*model + sigma*x
	case program.PredictSample:
		return model, (x - alpha*model) / sigma
	}
	return (x - sigma*model) / alpha, model
}
