// Package cuda executes programs on a GPU through driver.Driver, without cgo: cuda/cudrv drives a real one, cuda/sim
// simulates it. In precision fp32 and bf16 it gives the bits of the CPU (docs/numerics.md), by the kernels of cuda/kernels.
//
// In precision fp16 it is quick: products and attention on tensor cores, values stored as fp16 where every reader takes that, sums and
// statistics in fp32, latents and the autoencoder in fp32 throughout (docs/adr/0013-fp16-on-cuda.md).
//
// All memory of a compiled program is one allocation whose size is known from shapes before anything runs: computed
// values where program.PlanMemory puts them, inputs, weights in their stored types, tables, and the working memory of the
// operation that needs most. Addresses are fixed then, so an instruction is a list of launches made once.
package cuda
