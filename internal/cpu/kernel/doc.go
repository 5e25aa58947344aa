// Package kernel computes on slices: tiles of products, norms, softmax and
// pointwise functions. Its plain Go functions are the oracle of bits: every other tier gives theirs
// (docs/numerics.md). It knows no programs, no threads and no files.
package kernel
