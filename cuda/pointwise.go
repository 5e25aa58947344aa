package cuda

import "github.com/seed-8af8f8e1/flow/internal/program"

// pointwise makes an operation that treats each element alone.
func (x *exec) pointwise(in *program.Instr) []action {
	s := x.p.Shape(in.Out[0])
	n, y, a := program.Elems(s), x.at(in.Out[0]), x.at(in.In[0])
	switch op := in.Op.(type) {
	case *program.Activate:
		return []action{x.each("activate", n, 1, y, a, n, int(op.Act))}
	case *program.GEGLU:
		return []action{x.each("geglu", n, 1, y, a, n, s[len(s)-1])}
	case *program.Add:
		return []action{x.each("add", n, 1, y, a, x.at(in.In[1]), n)}
	case *program.Affine:
		return []action{x.each("affine", n, 1, y, a, n, op.Mul, op.Add)}
	case *program.Guidance:
		return []action{x.each("guidance", n, 1, y, a, x.at(in.In[1]), n, op.Scale)}
	case *program.SelfGuidance:
		return []action{x.each("self_guidance", n, 1, y, a, x.at(in.In[1]), x.at(in.In[2]), n, op.Scale)}
	case *program.SolverStep:
		return []action{x.each("solver_step", n, 1, y, a, x.at(in.In[1]), x.at(in.In[2]), n, int(op.Prediction))}
	}
	return nil
}

// degrade blurs along columns into working memory, then along rows where attention lies.
func (x *exec) degrade(in *program.Instr, op *program.Degrade) []action {
	im := x.image(in.In[0])
	n := im.pixels() * im.c
	blurred, taps := x.scratch(int64(n))[0], x.table(op.Taps)
	latents, output, coefficients := x.at(in.In[0]), x.at(in.In[1]), x.at(in.In[3])
	return []action{
		x.each("blur_columns", n, 1, blurred, latents, output, coefficients, taps, n, im.h, im.w*im.c, len(op.Taps), int(op.Prediction)),
		x.each("degrade", n, 1, x.at(in.Out[0]), latents, output, blurred, x.at(in.In[2]), coefficients, taps, n, im.h, im.w, im.c, op.MapH, op.MapW,
			len(op.Taps), int(op.Prediction)),
	}
}
