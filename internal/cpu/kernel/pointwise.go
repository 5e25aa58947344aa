package kernel

import "github.com/seed-8af8f8e1/flow/internal/numeric"

// Map writes f of each element.
func Map(dst, x []float32, f func(float32) float32) {
	for i, v := range x {
		dst[i] = f(v)
	}
}

// GEGLU writes value * gelu(gate) for one row: x is n values, then n gates.
func GEGLU(dst, x []float32) {
	gates := x[len(dst):]
	for i := range dst {
		dst[i] = x[i] * numeric.GELU(gates[i])
	}
}

// Add writes x + y.
func Add(dst, x, y []float32) {
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

// Guidance writes u + scale*(c - u), three roundings.
func Guidance(dst, u, c []float32, scale float32) {
	for i, v := range u {
		dst[i] = v + float32(scale*(c[i]-v))
	}
}
