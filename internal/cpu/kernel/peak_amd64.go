//go:build !purego

package kernel

// The functions below do rounds of independent operations on registers: 12 of 8 fp32 numbers, 24 of 16 fp32 numbers, 24 of
// 16 pairs of bf16 numbers.

//go:noescape
func peakF32AVX2(rounds int)

//go:noescape
func peakF32AVX512(rounds int)

//go:noescape
func peakBF16Dot(rounds int)

// readAVX2 loads n bytes, a multiple of 512.
//
//go:noescape
func readAVX2(p *byte, n int)

// readAVX512 loads n bytes, a multiple of 1024.
//
//go:noescape
func readAVX512(p *byte, n int)

// machinePeak gives the loops of a tier in assembly.
func machinePeak(tier string) (Peak, bool) {
	narrow := Peak{F32: peakF32AVX2, F32Ops: 2 * 12 * 8, Read: reads(readAVX2)}
	wide := Peak{F32: peakF32AVX512, F32Ops: 2 * 24 * 16, Read: reads(readAVX512)}
	switch tier {
	case AVX2.Name:
		return narrow, true
	case AVX512.Name:
		return wide, true
	case AVX512BF16.Name:
		wide.BF16, wide.BF16Ops = peakBF16Dot, 4*24*16
		return wide, true
	}
	return Peak{}, false
}
