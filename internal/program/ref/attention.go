package ref

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// keyBlock is the number of keys that share a maximum (docs/numerics.md, Attention). It matters only where weights are
// rounded to bf16, which happens relative to the greatest score up to the end of the block.
const keyBlock = 512

// attention computes softmax(scale * q k^T) v by heads, adds that over further keys, and finds the columns.
func (x *exec) attention(in *program.Instr, op *program.Attention) {
	q, out := x.image(in.In[0]), x.image(in.Out[0])
	attend(op, q, x.image(in.In[1]), x.image(in.In[2]), out)
	for _, s := range op.Second {
		more := out
		more.data = make([]float32, len(out.data))
		attend(op, q, x.image(in.In[s.K]), x.image(in.In[s.V]), more)
		for i, v := range more.data {
			if s.Scale != 1 {
				v = float32(float64(v)*float64(s.Scale) + 0) // -0 becomes 0, as in Affine
			}
			out.data[i] = float32(float64(out.data[i]) + float64(v))
		}
	}
	if op.Columns > 0 {
		q.b = op.Columns
		columns(op.Heads, op.Scale, op.Prec, q, x.image(in.In[1]), x.f(in.Out[1]))
	}
}

// attend is attention over one set of keys.
func attend(op *program.Attention, q, k, v, out image) {
	q.data, k.data, v.data = operands(q.data, op.Prec), operands(k.data, op.Prec), operands(v.data, op.Prec)
	d := q.c / op.Heads
	for b := range q.b {
		kb := b
		if k.b == 1 {
			kb = 0
		}
		for t := range q.w {
			seen := k.w
			if op.Causal {
				seen = t + 1
			}
			for head := range op.Heads {
				lo, hi := head*d, (head+1)*d
				scores := make([]float64, seen)
				for j := range scores {
					scores[j] = op.Scale * dot(q.at(b, 0, t)[lo:hi], k.at(kb, 0, j)[lo:hi])
				}
				weights, total := softmax(scores, op.Prec)
				for c := lo; c < hi; c++ {
					sum := 0.0
					for j, p := range weights {
						sum += p * float64(v.at(kb, 0, j)[c])
					}
					out.at(b, 0, t)[c] = float32(sum / total)
				}
			}
		}
	}
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i, v := range a {
		sum += float64(v) * float64(b[i])
	}
	return sum
}

// softmax gives the weight of each key and the sum of all weights, which is made of unrounded ones.
func softmax(scores []float64, prec program.Precision) (weights []float64, total float64) {
	top := math.Inf(-1)
	for _, s := range scores {
		top = math.Max(top, s)
	}
	sofar := math.Inf(-1)
	for j, s := range scores {
		if j%keyBlock == 0 {
			for _, s := range scores[j:min(j+keyBlock, len(scores))] {
				sofar = math.Max(sofar, s)
			}
		}
		total += math.Exp(s - top)
		p := math.Exp(s - sofar)
		if prec == program.BF16 {
			p = float64(numeric.RoundBF16(float32(p)))
		}
		weights = append(weights, p*math.Exp(sofar-top))
	}
	return weights, total
}
