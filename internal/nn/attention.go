package nn

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Attention is multi-head attention with the projections that a model names.
type Attention struct {
	Heads int
	// Q, K, V, Out are the names of the projections.
	Q, K, V, Out string
	// InBias says whether the projections to q, k and v have biases; the output's always has.
	InBias bool
	Causal bool
	// Second are further keys and values for the same queries, each with a softmax of its own (docs/numerics.md, Attention).
	Second []Keys
}

// Keys are keys and values [B,S,C] that were projected elsewhere. What attention gives over them is added, times Scale, to
// what it gives over the first.
type Keys struct {
	K, V  ID
	Scale float32
}

// Diffusers is the attention of diffusers' transformer blocks: to_q, to_k,
// to_v and to_out.0 below the current scope.
func Diffusers(heads int, inBias bool) Attention {
	return Attention{Heads: heads, Q: "to_q", K: "to_k", V: "to_v", Out: "to_out.0", InBias: inBias}
}

// Apply attends from x [B,T,C] to context [B,S,C'] (x itself for self-attention);
// inner is the width of q, k and v. Out: [B,T,out].
func (a Attention) Apply(b *program.Builder, x, context ID, inner, out int) ID {
	y, _ := a.ApplyProbed(b, x, context, inner, out)
	return y
}

// Probe is what an attention has computed on its way.
type Probe struct {
	Q, K  ID // [B,T,inner], [B,S,inner]
	Heads int
	Scale float64
}

// ApplyProbed is [Attention.Apply] that also gives the queries and keys.
func (a Attention) ApplyProbed(b *program.Builder, x, context ID, inner, out int) (ID, Probe) {
	p := Probe{Heads: a.Heads, Scale: 1 / math.Sqrt(float64(inner/max(a.Heads, 1)))}
	p.Q = linear(b, a.Q, x, inner, a.InBias)
	p.K = linear(b, a.K, context, inner, a.InBias)
	v := linear(b, a.V, context, inner, a.InBias)
	h := b.Attention(p.Q, p.K, v, a.Heads, p.Scale, a.Causal)
	for _, s := range a.Second {
		o := b.Attention(p.Q, s.K, s.V, a.Heads, p.Scale, false)
		if s.Scale != 1 {
			o = b.Affine(o, s.Scale, 0)
		}
		h = b.Add(h, o)
	}
	return Linear(b, a.Out, h, out), p
}
