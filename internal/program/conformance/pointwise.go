package conformance

import (
	"math"
	"math/rand/v2"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

var (
	infinity = float32(math.Inf(1))
	nan      = float32(math.NaN())
)

// spread is of either sign and of magnitude from 2^-30 to 2^9.
func spread(r *rand.Rand) float32 {
	return normal(r) * math.Float32frombits(uint32(97+r.IntN(38))<<23)
}

// growingKeys makes keys of c channels that match a query better the later they stand.
func growingKeys(c int) number {
	i := 0
	return func(r *rand.Rand) float32 {
		i++
		return normal(r) + float32(i/c%1030)/256
	}
}

// activate is a case of one function.
func activate(act program.Activation, name string, bound float64, f number) Case {
	return Case{Name: act.String() + "/" + name, Bound: bound, fill: map[string]number{"x": f}, build: func(b *program.Builder, n int) {
		b.Output("y", b.Activate(act, input(b, "x", n, 11, 67)))
	}}
}

func pointwise() []Case {
	const bound = 5e-7
	var cases []Case
	for _, act := range []program.Activation{program.SiLU, program.GELU, program.QuickGELU, program.GELUTanh, program.ReLU} {
		cases = append(cases, activate(act, "normal", bound, normal), activate(act, "spread", bound, spread))
	}
	cases = append(cases, activate(program.SiLU, "infinite and not a number", bound, choose(infinity, nan, 0, 1, -2)),
		activate(program.ReLU, "infinite and not a number", bound, choose(infinity, -infinity, nan, 0, 1, -2)),
		activate(program.ReLU, "subnormal", 0, number(normal).times(0x1p-130)))
	for _, size := range []int{1, 15, 64, 333} {
		cases = append(cases, Case{Name: "geglu/" + string(rune('a'+len(cases))), Bound: bound, build: func(b *program.Builder, n int) {
			b.Output("y", b.GEGLU(input(b, "x", n, 13, 2*size)))
		}})
	}
	two := func(name string, bound float64, f func(b *program.Builder, x, y program.ID) program.ID) Case {
		return Case{Name: name, Bound: bound, build: func(b *program.Builder, n int) {
			b.Output("y", f(b, input(b, "x", n, 9, 31), input(b, "y", n, 9, 31)))
		}}
	}
	add := two("add", 1e-7, (*program.Builder).Add)
	cases = append(cases, add, add.filled("huge", 1e-7, number(normal).times(0x1p120)), add.filled("infinite", 1e-7, choose(infinity, -infinity, nan, 1)),
		two("affine", 2e-7, func(b *program.Builder, x, _ program.ID) program.ID { return b.Affine(x, 1/0.13025, -0.7) }),
		two("guidance", 1e-6, func(b *program.Builder, x, y program.ID) program.ID { return b.Guidance(x, y, 7.5) }))
	for _, p := range []program.Prediction{program.PredictEpsilon, program.PredictV, program.PredictSample} {
		c := Case{Name: "solver step/" + [...]string{"epsilon", "v", "sample"}[p], Bound: 1e-6, build: func(b *program.Builder, n int) {
			b.Output("y", b.SolverStep(input(b, "x", n, 3, 5, 4), input(b, "model", n, 3, 5, 4), input(b, "coefficients", 1, 4), p))
		}}
		c.fill = map[string]number{"coefficients": choose(0.25, 0.9375, 0.59375, 0.7)}
		cases = append(cases, c)
	}
	return cases
}
