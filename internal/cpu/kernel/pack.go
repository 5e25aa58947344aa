package kernel

import (
	"encoding/binary"
	"math"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// Format is how stored numbers are encoded.
type Format uint8

// Formats of weights, as program.WeightType.
const (
	F32 Format = iota
	F16
	BF16
	F64
)

// Weight is one stored tensor [N, C, Taps], little-endian; Taps is 1 for a matrix.
type Weight struct {
	Data    []byte
	Format  Format
	C, Taps int
}

// PanelVersion names how Pack lays panels out. It is one more whenever Pack or Words would give other bytes: packed weights that
// are kept in files carry it.
const PanelVersion = 1

// PanelLen is the length of a packed panel of c channels of taps.
func PanelLen(c, taps int, round bool) int { return Words(c, round) * taps * NR }

// packSquare is the number of elements of each output that Pack transposes at once.
const packSquare = 144

// PackScratch is the length of Pack's working memory for a weight of so many taps.
func PackScratch(taps int) int { return max(packSquare, 2*taps) * NR }

// Pack writes channels [from,from+c) of outputs [n0,n0+NR) of w as panels, one a tap: element (tap*words + word)*NR + j.
// Outputs from n on are zero. round makes words of two channels, rounded to bf16.
func (t *Tier) Pack(dst Panel, scratch []float32, w *Weight, from, c, n0, n int, round bool) {
	words := Words(c, round)
	dst = dst[:words*w.Taps*NR]
	at, step := (n0*w.C+from)*w.Taps, w.C*w.Taps
	columns := t.Transpose
	if n-n0 < NR {
		columns = func(dst []float32, w *Weight, at, step, count int) { transposeSome(dst, w, at, step, count, n-n0) }
	}
	if w.Taps == 1 && !round {
		columns(dst, w, at, step, c)
		return
	}
	if w.Taps == 1 && n-n0 >= NR && t.TransposeWords != nil && c%2 == 0 && t.TransposeWords(dst, w, at, step, words) {
		return
	}
	each := max(2, packSquare/w.Taps) &^ 1
	for ch := 0; ch < c; ch += each {
		k := min(each, c-ch)
		columns(scratch, w, at+ch*w.Taps, step, k*w.Taps)
		for tap := range w.Taps {
			if round {
				t.PairLines(dst[(tap*words+ch/2)*NR:], scratch[tap*NR:], w.Taps*NR, k)
				continue
			}
			for e := range k {
				*(*[NR]float32)(dst[(tap*words+ch+e)*NR:]) = [NR]float32(scratch[(e*w.Taps+tap)*NR:])
			}
		}
	}
}

func transpose(dst []float32, w *Weight, at, step, n int) { transposeSome(dst, w, at, step, n, NR) }

// transposeSome is transpose for the first rows of NR; the others are zero.
func transposeSome(dst []float32, w *Weight, at, step, n, rows int) {
	if rows < NR {
		clear(dst[:n*NR])
	}
	for j := range rows {
		for e := range n {
			dst[e*NR+j] = w.at(at + j*step + e)
		}
	}
}

func columns(dst, x []float32, step, n, rows int) {
	for e := range n {
		column := (*[NR]float32)(dst[e*NR:])
		for j := range rows {
			column[j] = x[j*step+e]
		}
		clear(column[rows:])
	}
}

// at widens element i; float64 is rounded to float32 once.
func (w *Weight) at(i int) float32 {
	switch w.Format {
	case F16:
		return numeric.FromF16(binary.LittleEndian.Uint16(w.Data[2*i:]))
	case BF16:
		return numeric.FromBF16(binary.LittleEndian.Uint16(w.Data[2*i:]))
	case F64:
		return float32(math.Float64frombits(binary.LittleEndian.Uint64(w.Data[8*i:])))
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(w.Data[4*i:]))
}

// Widen writes len(dst) elements of w from element i on.
func (w *Weight) Widen(dst []float32, i int) {
	for k := range dst {
		dst[k] = w.at(i + k)
	}
}
