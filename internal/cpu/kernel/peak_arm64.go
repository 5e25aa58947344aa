//go:build !purego

package kernel

// peakF32NEON does rounds of 24 independent multiplications and additions of 4 fp32 numbers on registers.
//
//go:noescape
func peakF32NEON(rounds int)

// readNEON loads n bytes, a multiple of 1024.
//
//go:noescape
func readNEON(p *byte, n int)

// machinePeak gives the loops of a tier in assembly.
func machinePeak(tier string) (Peak, bool) {
	if tier != NEON.Name {
		return Peak{}, false
	}
	return Peak{F32: peakF32NEON, F32Ops: 2 * 24 * 4, Read: reads(readNEON)}, true
}
