//go:build !purego

package kernel

import "golang.org/x/sys/cpu"

// AVX2 is the tier for processors with AVX2 and FMA, since 2013.
var AVX2 = Products{Name: "avx2", F32: productF32AVX2, BF16: productBF16AVX2}

func machineTiers() []Products {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		return []Products{AVX2}
	}
	return nil
}
