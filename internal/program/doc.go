// Package program holds the intermediate form between model code and executors.
//
// Model code does not call kernels: it builds a [Program] - some twenty coarse
// operations over channels-last fp32 tensors, with weights by name - once for an
// architecture, a set of shapes and a precision. Passes rewrite it, executors
// ([Executor]) run it: internal/program/ref with plain loops and float64 sums,
// internal/cpu quickly, cuda on a GPU. Building alone gives every shape and the
// peak memory, so that planning needs no executor and no weights.
//
// A program may have a step loop (a sampler): instructions whose Stage is [Each]
// run once for each step, the others once. Values that go round the loop are
// its [Carry] list. What each operation computes, to the last bit, is defined in
// docs/numerics.md.
//
// Glossary: B batch, H W rows and columns of pixels or latents, T tokens, C
// channels. Images are [B,H,W,C], token sequences [B,T,C].
package program
