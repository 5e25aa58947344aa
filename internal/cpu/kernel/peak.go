package kernel

import "encoding/binary"

// Peak is what a processor can do at most with a tier's instructions: loops that compute on registers alone and loops
// that only load. Products are judged by them.
type Peak struct {
	// F32 multiplies and adds fp32 numbers: F32Ops operations a round, where a fused multiply-add counts as two.
	F32    func(rounds int)
	F32Ops int
	// BF16 does the same with products of bf16 numbers; nil for a tier without an instruction for them, whose
	// limit is F32.
	BF16    func(rounds int)
	BF16Ops int
	// Read loads bytes, whose number is a multiple of ReadUnit.
	Read func(b []byte)
}

// ReadUnit divides the number of bytes that Peak.Read takes.
const ReadUnit = 1024

// Peak gives the loops of a tier's instructions. Those of the plain tier are compiled Go: scalar multiplications and additions.
func (t *Tier) Peak() Peak {
	if p, ok := machinePeak(t.Name); ok {
		return p
	}
	return Peak{F32: func(rounds int) { peakPlain(rounds) }, F32Ops: 2 * 12, Read: func(b []byte) { readPlain(b) }}
}

// peakPlain does 12 multiplications and additions a round.
//
//go:noinline
func peakPlain(rounds int) float32 {
	const m, c = 0.5, 0.25
	var s [12]float32
	s0, s1, s2, s3, s4, s5 := s[0], s[1], s[2], s[3], s[4], s[5]
	s6, s7, s8, s9, s10, s11 := s[6], s[7], s[8], s[9], s[10], s[11]
	for range rounds {
		s0, s1, s2, s3 = s0*m+c, s1*m+c, s2*m+c, s3*m+c
		s4, s5, s6, s7 = s4*m+c, s5*m+c, s6*m+c, s7*m+c
		s8, s9, s10, s11 = s8*m+c, s9*m+c, s10*m+c, s11*m+c
	}
	return s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11
}

// readPlain adds up words.
//
//go:noinline
func readPlain(b []byte) (sum uint64) {
	for ; len(b) >= 32; b = b[32:] {
		sum += binary.LittleEndian.Uint64(b) + binary.LittleEndian.Uint64(b[8:]) + binary.LittleEndian.Uint64(b[16:]) + binary.LittleEndian.Uint64(b[24:])
	}
	return sum
}
