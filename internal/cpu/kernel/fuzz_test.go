package kernel

import (
	"math/rand/v2"
	"testing"
)

// fuzzSeeds are the seeds that a run without fuzzing takes, such as one under emulation, where the fuzzer cannot start its workers.
const fuzzSeeds = 24

// source is a source of operands: any bits, or numbers at the edges of the definition.
func source(r *rand.Rand, wild bool) func() float32 {
	if wild {
		return numbers(r)["any bits"]
	}
	return numbers(r)["special"]
}

// FuzzLengths compares functions, words and reductions.
func FuzzLengths(f *testing.F) {
	for i := range fuzzSeeds {
		f.Add(uint64(i), uint16(37*i), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, wild bool) {
		r := rand.New(rand.NewPCG(seed, 11))
		for _, tier := range Tiers() {
			compareLength(t, &tier, int(n%3000), source(r, wild))
		}
	})
}

// FuzzChannels compares moments and maps of channels.
func FuzzChannels(f *testing.F) {
	for i := range fuzzSeeds {
		f.Add(uint64(i), uint8(7*i), uint8(15+i), uint8(i), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, c, pixels, extra uint8, wild bool) {
		r := rand.New(rand.NewPCG(seed, 12))
		for _, tier := range Tiers() {
			compareChannels(t, &tier, int(c), int(pixels%40)+1, int(extra%8), factorsOf(1+r.IntN(99), 1+r.IntN(99)), source(r, wild))
		}
	})
}

// FuzzPack compares packing with the definition of a panel.
func FuzzPack(f *testing.F) {
	for i := range fuzzSeeds {
		f.Add(uint64(i), uint8(i), uint8(8*(i%2)), uint8(31+3*i), uint8(i), i%3 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, format, taps, c, from uint8, round bool) {
		r := rand.New(rand.NewPCG(seed, 13))
		outs := 1 + r.IntN(40)
		w := randomWeight(r, Format(format%4), outs, int(from%7)+int(c)+1+r.IntN(3), int(taps%10)+1)
		for _, tier := range Tiers() {
			for n0 := 0; n0 < outs; n0 += NR {
				comparePack(t, &tier, w, int(from%7), int(c)+1, n0, outs, round)
			}
		}
	})
}
