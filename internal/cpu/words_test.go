package cpu

import (
	"context"
	"math"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/nn"
	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// wordsProgram is a block of a transformer of c channels; with all, every value is an output too, and so is stored as it is.
func wordsProgram(prec program.Precision, c int, all bool) *program.Program {
	b := program.NewBuilder("words", prec)
	x := b.Input("x", program.Float32, 2, 3, 5, c)
	normed := b.Activate(program.SiLU, nn.GroupNorm(b, "group", 1, 1e-5, x))
	y := nn.Linear(b, "in", b.Reshape(normed, 2, 15, c), c)
	n := nn.LayerNorm(b, "layer", 1e-5, y)
	q, k, v := nn.Linear(b, "q", n, c), nn.Linear(b, "k", n, c), nn.Linear(b, "v", n, c)
	a := b.Attention(q, k, v, 2, 0.4, false)
	y = b.Add(nn.Linear(b, "out", a, c), y)
	g := b.GEGLU(nn.Linear(b, "gates", y, 2*(c+3)))
	y = b.Add(nn.Linear(b, "end", g, c), y)
	b.Output("y", y)
	if all {
		for name, id := range map[string]program.ID{"normed": normed, "n": n, "q": q, "k": k, "v": v, "a": a, "g": g} {
			b.Output(name, id)
		}
	}
	return b.Program()
}

// TestWordsChangeNoBit compares a program whose values are words with one that stores them, on every tier.
func TestWordsChangeNoBit(t *testing.T) {
	for _, c := range []int{10, 12, 64, 132} {
		plain := wordsProgram(program.BF16, c, true)
		in, src := randomInputs(plain), newRandomSource(plain)
		stored := runOn(t, kernel.Plain, 1, plain, in, src)
		for _, tier := range kernel.Tiers() {
			p := program.Optimize(wordsProgram(program.BF16, c, false))
			x, err := WithTier(tier).Compile(p, program.Options{Weights: src, Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			words := 0
			out, err := x.Run(context.Background(), in, program.RunOptions{OnInstr: func(i int, value func(program.ID) program.Tensor) {
				id := p.Instrs[i].Out[0]
				if !x.(*exec).asWords[id] {
					return
				}
				words++
				for k, v := range value(id).F {
					if v != numeric.RoundBF16(v) {
						t.Fatalf("%s, %d channels: element %d of %s is %v, which is no bf16 number", tier.Name, c, k, p.Instrs[i].Scope, v)
					}
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range stored["y"].F {
				if math.Float32bits(v) != math.Float32bits(out["y"].F[i]) {
					t.Fatalf("%s, %d channels: element %d is %v, was %v", tier.Name, c, i, out["y"].F[i], v)
				}
			}
			want := 7 // the two norms, queries, keys, values, attention, gates
			if c/2%2 == 1 {
				want = 3 // heads of an odd number of channels begin within words
			}
			if words < want {
				t.Errorf("%s, %d channels: %d values are words, want %d", tier.Name, c, words, want)
			}
			_ = x.Close()
		}
	}
}

// TestWordsAreOfBF16Alone: nothing is rounded in fp32 programs, nor what is an output, a residual or carried.
func TestWordsAreOfBF16Alone(t *testing.T) {
	for name, p := range map[string]*program.Program{"fp32": wordsProgram(program.F32, 12, false), "outputs": wordsProgram(program.BF16, 12, true)} {
		x := New().exec(program.Optimize(p), 1)
		outputs := make(map[program.ID]bool)
		for _, o := range x.p.Outputs {
			outputs[o.Value] = true
		}
		for id, words := range x.asWords {
			if words && (name == "fp32" || outputs[program.ID(id)]) {
				t.Errorf("%s: value %d is stored as words", name, id)
			}
		}
	}
}
