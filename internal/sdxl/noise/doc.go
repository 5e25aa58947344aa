// Package noise draws standard normal numbers from a seed: the stream that torch
// draws on a CPU, to the bit, and a counter-based one. What torch draws on a GPU is in internal/curand.
package noise
