// Package noise draws standard normal numbers from a seed: the stream that torch
// draws on a CPU, to the bit, and a counter-based one.
package noise
