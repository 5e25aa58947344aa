// Package nn builds the layers that all models share - linear, convolution,
// norms, attention - as operations of a program. Each layer names its weights
// as diffusers and transformers do, below the builder's current scope. There
// is one copy of each layer, for all models.
package nn

import "github.com/seed-8af8f8e1/flow/internal/program"

// ID is a value of a program.
type ID = program.ID

// None is an operand that is left out.
const None = program.None

// Linear is y = x W^T + bias over the last dimension: x [...,in] to [...,out].
// Weights: name.weight [out,in], name.bias [out].
func Linear(b *program.Builder, name string, x ID, out int) (y ID) {
	return linear(b, name, x, out, true)
}

// LinearNoBias is [Linear] without a bias.
func LinearNoBias(b *program.Builder, name string, x ID, out int) ID {
	return linear(b, name, x, out, false)
}

func linear(b *program.Builder, name string, x ID, out int, bias bool) (y ID) {
	b.Scope(name, func() {
		w := b.Weight("weight", out, b.Dim(x, -1))
		y = b.Product(patched(b, program.Tap{X: x, W: w}), []ID{biasOf(b, out, bias)}, None)
	})
	return y
}

func biasOf(b *program.Builder, n int, has bool) ID {
	if !has {
		return None
	}
	return b.Weight("bias", n)
}

// Conv describes a square convolution with bias.
type Conv struct {
	Out    int // output channels
	Kernel int
	Stride int
	// PadBefore is the zero border at the top and left, PadAfter at the bottom and right.
	PadBefore, PadAfter int
	// Winograd has it summed by Winograd's algorithm, for a kernel of 3 and stride 1; with a batch bias, further taps or patches it is not.
	Winograd bool
}

// Conv3x3 keeps the size: kernel 3, border 1.
func Conv3x3(out int) Conv { return Conv{Out: out, Kernel: 3, Stride: 1, PadBefore: 1, PadAfter: 1} }

// Conv1x1 mixes channels only.
func Conv1x1(out int) Conv { return Conv{Out: out, Kernel: 1, Stride: 1} }

// Apply convolves x [B,H,W,C]. Weights: name.weight [out,C,k,k], name.bias [out].
func (c Conv) Apply(b *program.Builder, name string, x ID) ID {
	return c.ApplyWith(b, name, x, None, nil, nil)
}

// ApplyWith convolves x with a batch bias (or None) and sums extra taps, with their
// biases, into the same accumulator.
func (c Conv) ApplyWith(b *program.Builder, name string, x, batchBias ID, extra []program.Tap, biases []ID) (y ID) {
	b.Scope(name, func() {
		w := b.Weight("weight", c.Out, b.Dim(x, -1), c.Kernel, c.Kernel)
		if c.Winograd && batchBias == None && len(extra) == 0 && len(b.PatchesOf(w)) == 0 {
			y = b.Winograd(c.tap(b, x, w), append([]ID{b.Weight("bias", c.Out)}, biases...))
			return
		}
		taps := append(patched(b, c.tap(b, x, w)), extra...)
		y = b.Product(taps, append([]ID{b.Weight("bias", c.Out)}, biases...), batchBias)
	})
	return y
}

func (c Conv) tap(b *program.Builder, x, w ID) program.Tap {
	size := func(n int) int { return (n+c.PadBefore+c.PadAfter-c.Kernel)/c.Stride + 1 }
	return program.Tap{X: x, W: w, KH: c.Kernel, KW: c.Kernel, Stride: c.Stride,
		PadTop: c.PadBefore, PadLeft: c.PadBefore, OutH: size(b.Dim(x, 1)), OutW: size(b.Dim(x, 2))}
}

// GroupNorm normalises groups of channels of xs, read as if concatenated.
// Weights: name.weight, name.bias [C].
func GroupNorm(b *program.Builder, name string, groups int, eps float32, xs ...ID) (y ID) {
	c := 0
	for _, x := range xs {
		c += b.Dim(x, -1)
	}
	b.Scope(name, func() {
		y = b.GroupNorm(groups, eps, b.Weight("weight", c), b.Weight("bias", c), xs...)
	})
	return y
}

// LayerNorm normalises the last dimension. Weights: name.weight, name.bias [C].
func LayerNorm(b *program.Builder, name string, eps float32, x ID) (y ID) {
	c := b.Dim(x, -1)
	b.Scope(name, func() { y = b.LayerNorm(eps, x, b.Weight("weight", c), b.Weight("bias", c)) })
	return y
}

// TimestepMLP is Linear, activation, Linear: name.linear_1, name.linear_2.
func TimestepMLP(b *program.Builder, name string, act program.Activation, x ID, dim int) (y ID) {
	b.Scope(name, func() {
		y = Linear(b, "linear_2", b.Activate(act, Linear(b, "linear_1", x, dim)), dim)
	})
	return y
}

// Shortcut describes a 1x1 convolution of xs, read as if concatenated, as taps and biases for
// [Conv.ApplyWith]. Weights: name.weight [out,C,1,1], name.bias [out].
func Shortcut(b *program.Builder, name string, out int, xs ...ID) (taps []program.Tap, biases []ID) {
	in := 0
	for _, x := range xs {
		in += b.Dim(x, -1)
	}
	b.Scope(name, func() {
		w, at := b.Weight("weight", out, in, 1, 1), 0
		for _, x := range xs {
			taps = append(taps, program.Tap{X: x, W: w, WOffset: at})
			at += b.Dim(x, -1)
		}
		taps = patched(b, taps...)
		biases = []ID{b.Weight("bias", out)}
	})
	return taps, biases
}
