package kernel

import "github.com/seed-8af8f8e1/flow/internal/numeric"

// Map writes f of each element.
func Map(dst, x []float32, f func(float32) float32) {
	for i, v := range x {
		dst[i] = f(v)
	}
}

func silu(dst, x []float32) {
	for i, v := range x {
		dst[i] = numeric.SiLU(v)
	}
}

func gelu(dst, x []float32) {
	for i, v := range x {
		dst[i] = numeric.GELU(v)
	}
}

func quickGELU(dst, x []float32) {
	for i, v := range x {
		dst[i] = numeric.QuickGELU(v)
	}
}

func mulGELU(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = v * numeric.GELU(y[i])
	}
}

func add(dst, x, y []float32) {
	for i, v := range x {
		dst[i] = v + y[i]
	}
}

// Affine writes x*mul + add, two roundings.
func Affine(dst, x []float32, mul, add float32) {
	for i, v := range x {
		dst[i] = float32(v*mul) + add
	}
}

// SelfGuidance writes g + scale*(u - d), three roundings.
func SelfGuidance(dst, g, u, d []float32, scale float32) {
	for i, v := range g {
		dst[i] = v + float32(scale*(u[i]-d[i]))
	}
}

// Guidance writes u + scale*(c - u), three roundings.
func Guidance(dst, u, c []float32, scale float32) {
	for i, v := range u {
		dst[i] = v + float32(scale*(c[i]-v))
	}
}
