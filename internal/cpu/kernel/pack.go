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

// PanelLen is the length of a packed panel of c channels; round says that channels are padded to even.
func PanelLen(c, taps int, round bool) int {
	if round {
		c += c & 1
	}
	return c * taps * NR
}

// Pack writes channels [from,from+c) of outputs [n0,n0+NR) of w as panels, one a tap: element
// (tap*c + channel)*NR + j. Outputs from n on are zero. round rounds to bf16
// and pads the channels of a tap to an even count.
func Pack(dst Panel, w Weight, from, c, n0, n int, round bool) {
	padded := c
	if round {
		padded += c & 1
	}
	clear(dst[:padded*w.Taps*NR])
	for j := range min(NR, n-n0) {
		at := ((n0+j)*w.C + from) * w.Taps
		for ch := range c {
			for tap := range w.Taps {
				dst[(tap*padded+ch)*NR+j] = w.at(at)
				at++
			}
		}
	}
	if round {
		RoundBF16(dst[:padded*w.Taps*NR], dst)
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

// RoundBF16 rounds operands of a bf16 product: dst[i] = bf16(src[i]).
func RoundBF16(dst, src []float32) {
	for i := range dst {
		dst[i] = numeric.RoundBF16(src[i])
	}
}
