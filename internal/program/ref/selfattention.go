package ref

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// attentionColumns sums the attention that each key receives over the queries and averages it over the heads.
func (x *exec) attentionColumns(in *program.Instr, op *program.AttentionColumns) {
	columns(op.Heads, op.Scale, op.Prec, x.image(in.In[0]), x.image(in.In[1]), x.f(in.Out[0]))
}

func columns(heads int, scale float64, prec program.Precision, q, k image, out []float32) {
	q.data, k.data = operands(q.data, prec), operands(k.data, prec)
	d := q.c / heads
	for b := range q.b {
		sums := make([]float64, k.w)
		for head := range heads {
			lo, hi := head*d, (head+1)*d
			for t := range q.w {
				scores := make([]float64, k.w)
				for j := range scores {
					scores[j] = scale * dot(q.at(b, 0, t)[lo:hi], k.at(b, 0, j)[lo:hi])
				}
				weights, total := softmax(scores, program.F32)
				for j, p := range weights {
					sums[j] += p / total
				}
			}
		}
		for j, s := range sums {
			out[b*k.w+j] = float32(s / float64(heads))
		}
	}
}

// degrade blurs what the model sees of the picture where columns exceed 1.
func (x *exec) degrade(in *program.Instr, op *program.Degrade) {
	src, model, columns, c, out := x.image(in.In[0]), x.f(in.In[1]), x.f(in.In[2]), x.f(in.In[3]), x.image(in.Out[0])
	split := func(i int) (x0, e float64) {
		return estimate(op.Prediction, float64(src.data[i]), float64(model[i]), float64(c[0]), float64(c[1]))
	}
	half := len(op.Taps) / 2
	for i := range out.data {
		ch, px, py, b := i%src.c, i/src.c%src.w, i/src.c/src.w%src.h, i/src.c/src.w/src.h
		x0, e := split(i)
		cell := (b*op.MapH+nearest(py, op.MapH, src.h))*op.MapW + nearest(px, op.MapW, src.w)
		if columns[cell] > 1 {
			x0 = 0
			for dy, a := range op.Taps {
				for dx, w := range op.Taps {
					y, x := reflect(py+dy-half, src.h), reflect(px+dx-half, src.w)
					v, _ := split(((b*src.h+y)*src.w+x)*src.c + ch)
					x0 += float64(a) * float64(w) * v
				}
			}
		}
		out.data[i] = float32(float64(c[0])*x0 + float64(c[1])*e)
	}
}

// nearest is the source of place i where n places become m.
func nearest(i, n, m int) int { return min(int(math.Floor(float64(i)*float64(n)/float64(m))), n-1) }

// reflect mirrors an index at the first and the last of n.
func reflect(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	i = ((i % period) + period) % period
	return min(i, period-i)
}
