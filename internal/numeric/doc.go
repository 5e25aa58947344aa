// Package numeric defines, to the bit, the arithmetic that reaches a pixel: the
// fused multiply-add of fp32, the rounding of bf16, and every function that is
// not exact in IEEE 754. docs/numerics.md is its contract. The order of
// operations written here is the definition for all tiers: an assembly kernel
// is right when it gives these bits.
//
// Where two roundings are meant the code writes float32(x*y) + z, since Go compilers may
// otherwise fuse the two operations on some processors.
package numeric
