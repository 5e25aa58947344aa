//go:build race

package weights

// slowness is how much longer bounds of time and memory are than those of a plain build.
const slowness = 10
