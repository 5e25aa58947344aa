package kernel

import (
	"sync"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// Winograd's algorithm for 3x3 convolutions, F(4x4, 3x3) (Winograd, 1980; Lavin and Gray, 2016), with the points 0, ±3/4, ±3/2 and
// infinity: docs/numerics.md, Winograd. Tile t of 4x4 results is made of 6x6 inputs; its 36 products are planes.
const (
	WinogradTile  = 4 // results along a side of a tile
	WinogradInput = 6 // inputs
	Planes        = WinogradInput * WinogradInput
)

// The points and their powers, all exact.
const (
	wa, wb   = 0.75, 1.5
	wa2, wb2 = wa * wa, wb * wb
	wa3, wb3 = wa2 * wa, wb2 * wb
	wSum     = wa2 + wb2
	wProduct = wa2 * wb2
)

// WinogradScratch is the length of the working memory of the transforms.
const WinogradScratch = Planes * 16

// inputLine transforms six neighbouring inputs.
func inputLine(x [6]float32) (v [6]float32) {
	a, c := numeric.FMA(-wb2, x[2], x[4]), numeric.FMA(-wb2, x[1], x[3])
	v[1], v[2] = numeric.FMA(wa, c, a), numeric.FMA(-wa, c, a)
	a, c = numeric.FMA(-wa2, x[2], x[4]), numeric.FMA(-wa2, x[1], x[3])
	v[3], v[4] = numeric.FMA(wb, c, a), numeric.FMA(-wb, c, a)
	v[0] = numeric.FMA(wProduct, x[0], numeric.FMA(-wSum, x[2], x[4]))
	v[5] = numeric.FMA(wProduct, x[1], numeric.FMA(-wSum, x[3], x[5]))
	return v
}

// outputLine transforms six sums back to four results.
func outputLine(m [6]float32) (y [4]float32) {
	s, d, p, q := m[1]+m[2], m[1]-m[2], m[3]+m[4], m[3]-m[4]
	y[0] = (m[0] + s) + p
	y[1] = numeric.FMA(wb, q, float32(wa*d))
	y[2] = numeric.FMA(wb2, p, float32(wa2*s))
	y[3] = numeric.FMA(wb3, q, numeric.FMA(wa3, d, m[5]))
	return y
}

// winogradIn transforms the inputs of a tile along columns, then along rows.
func winogradIn(v []float32, plane int, x []float32, row, pixel, n int, _ []float32) {
	for c := range n {
		var t [6][6]float32
		for j := range 6 {
			var line [6]float32
			for i := range line {
				line[i] = x[i*row+j*pixel+c]
			}
			for i, f := range inputLine(line) {
				t[i][j] = f
			}
		}
		for i := range t {
			for j, f := range inputLine(t[i]) {
				v[(6*i+j)*plane+c] = f
			}
		}
	}
}

// winogradOut transforms the sums of a tile back, along columns, then along rows, and adds to each result what its channel
// begins at, then the residual.
func winogradOut(out, add []float32, row, pixel int, m []float32, plane int, init, _ []float32) {
	for c, begin := range init {
		var t [4][6]float32
		for j := range 6 {
			var line [6]float32
			for i := range line {
				line[i] = m[(6*i+j)*plane+c]
			}
			for i, f := range outputLine(line) {
				t[i][j] = f
			}
		}
		for i := range t {
			for j, f := range outputLine(t[i]) {
				at := i*row + j*pixel + c
				f += begin
				if add != nil { // which may be out
					f += add[at]
				}
				out[at] = f
			}
		}
	}
}

// rowsBy makes Rows of a Product.
func rowsBy(dot Product) func(out, x []float32, step int, w Panel, n, rows int) {
	pool := sync.Pool{New: func() any { return new(rowTerms) }} // an argument of dot would be made anew in each call
	return func(out, x []float32, step int, w Panel, n, rows int) {
		t := pool.Get().(*rowTerms)
		t.runs[0], t.w[0] = Run{1, n}, w
		t.ends.In, t.ends.Step = noChannel[:], NR
		terms := &t.terms
		terms.X, terms.Runs, terms.W = t.taps[:], t.runs[:], t.w[:]
		for r := 0; r < rows; r += MR {
			for k := range MR {
				t.taps[0][k] = x[(r+k)*step:]
			}
			t.ends.Out = out[r*NR:]
			dot(&t.ends, terms, MR, NR)
		}
		*t = rowTerms{ends: Ends{strips: t.ends.strips.emptied()}} // what was read and written may be unmapped before the next call
		pool.Put(t)
	}
}

// rowTerms are the operands of one tile.
type rowTerms struct {
	ends  Ends
	terms Terms
	taps  [1][MR][]float32
	runs  [1]Run
	w     [1][]float32
}

// weightLine transforms the three weights of a line, but for the divisors of [winogradDivisors].
func weightLine(g0, g1, g2 float64) (u [6]float64) {
	s, d := g0+float64(wa2*g2), float64(wa*g1)
	p, q := g0+float64(wb2*g2), float64(wb*g1)
	return [6]float64{g0, s + d, s - d, p + q, p - q, g2}
}

// winogradFactors are what remains of the divisors of each product's two lines.
var winogradFactors = func() (f [Planes]float64) {
	line := [6]float64{1 / wProduct, 1 / (2 * wa2 * (wa2 - wb2)), 1 / (2 * wa2 * (wa2 - wb2)), 1 / (2 * wb2 * (wb2 - wa2)), 1 / (2 * wb2 * (wb2 - wa2)), 1}
	for i, a := range line {
		for j, b := range line {
			f[6*i+j] = a * b
		}
	}
	return f
}()

// winogradWeights transforms n weights of nine taps into 36 planes, taps and planes so many elements apart: in float64, rounded once.
func winogradWeights(dst, panels []float32, size, n int, _ []float32) {
	for k := range n {
		var t [6][3]float64
		for j := range 3 {
			for i, f := range weightLine(float64(panels[j*size+k]), float64(panels[(3+j)*size+k]), float64(panels[(6+j)*size+k])) {
				t[i][j] = f
			}
		}
		for i := range t {
			for j, f := range weightLine(t[i][0], t[i][1], t[i][2]) {
				dst[(6*i+j)*size+k] = float32(f * winogradFactors[6*i+j])
			}
		}
	}
}
