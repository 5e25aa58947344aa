// Package kernels holds the GPU's kernels: CUDA C sources without a header of the toolkit, and the PTX that Debian's
// clang 14 makes of them (go generate), committed and embedded, so that building flow needs no compiler but Go's and
// running it no library but the driver's.
//
// The kernels of class fp32@1 and bf16@1 give the bits of docs/numerics.md: product.cu, attention.cu, norm.cu,
// pointwise.cu and move.cu, with numeric.h for internal/numeric's functions. Those of class fp16 work on tensor cores and
// store fp16: tensor.cu, flash.cu, norm16.cu and half.cu, with tensor.h. Every PTX text says .version 7.0 and .target
// sm_80, which drivers from 450 on compile for compute capability 8.0 and later. No kernel uses more than 48 KB of
// shared memory, an atomic, or a parameter of more than 8 bytes.
package kernels

//go:generate go run ../../internal/tools/ptx .
