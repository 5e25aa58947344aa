package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// attendCase is blocks of keys one after the other against some queries.
type attendCase struct {
	rows, d int
	n       []int // keys of each block
	causal  bool
	round   bool
	queries []float32
	keys    [][]float32
	values  [][]float32
}

func newAttendCase(rows, d int, n []int, round bool, number func() float32) attendCase {
	c := attendCase{rows: rows, d: d, n: n, round: round}
	if round {
		number = words(number)
	}
	wide := (d + NR - 1) / NR * NR
	c.queries = fill(rows*(Words(d, round)+3), number)
	for _, n := range n {
		c.keys = append(c.keys, fill((n+NR-1)/NR*NR*Words(d, round), number))
		c.values = append(c.values, fill(wide*(Words(n, round)+1), number))
	}
	return c
}

// run gives the sums, tops and sums of weights.
func (c *attendCase) run(tier *Tier) (sums, tops, ls []float32) {
	wide := (c.d + NR - 1) / NR * NR
	sums, tops, ls = make([]float32, c.rows*(wide+1)), make([]float32, c.rows), make([]float32, c.rows)
	for r := range tops {
		tops[r] = float32(math.Inf(-1))
	}
	attend, from := tier.F32Attend, 0
	if c.round {
		attend = tier.BF16Attend
	}
	for k, n := range c.n {
		words := Words(c.d, c.round)
		attend(&Block{Queries: c.queries, QueryStep: words + 3, Rows: c.rows, Keys: c.keys[k], Words: words, N: n,
			Values: c.values[k], ValuePanel: NR * (Words(n, c.round) + 1), D: c.d, Sums: sums, SumStep: wide + 1, Tops: tops, Ls: ls,
			Scale: 0.37, Causal: c.causal, Last: 3 - from, Scratch: make([]float32, BlockScratch(n))})
		from += n
	}
	return sums, tops, ls
}

func (c *attendCase) compare(t *testing.T, tier *Tier) {
	t.Helper()
	sums, tops, ls := c.run(&Plain)
	gotSums, gotTops, gotLs := c.run(tier)
	what := fmt.Sprintf("%s, bf16 %v, %d rows of %d channels, keys %v, causal %v", tier.Name, c.round, c.rows, c.d, c.n, c.causal)
	sameSlices(t, what+": sums of weights", gotLs, ls)
	step := len(sums) / c.rows
	for r := range c.rows {
		if ls[r] == ls[r] && tops[r] != gotTops[r] { // which number is the greatest among NaN has no effect
			t.Fatalf("%s: the top of row %d is %v, want %v", what, r, gotTops[r], tops[r])
		}
		for d := range c.d {
			if got, want := gotSums[r*step+d], sums[r*step+d]; !sameBits(got, want) {
				t.Fatalf("%s: channel %d of row %d is %v, want %v", what, d, r, got, want)
			}
		}
	}
}

func TestAttendEqualsPlain(t *testing.T) {
	for _, tier := range otherTiers(t) {
		r := rand.New(rand.NewPCG(21, 22))
		for name, number := range numbers(r) {
			t.Run(fmt.Sprintf("%s/%s", tier.Name, name), func(t *testing.T) {
				for _, round := range []bool{false, true} {
					for i, n := range [][]int{{1}, {2}, {15}, {16}, {17}, {31}, {32}, {33}, {48}, {49}, {64}, {77}, {95}, {96, 5}, {KeyBlock, 64, 1}, {KeyBlock, KeyBlock}} {
						if i > 12 && testing.Short() && name != "ordinary" {
							continue
						}
						c := newAttendCase(MR*(1+r.IntN(2)), []int{1, 5, 32, 33, 64, 80}[r.IntN(6)], n, round, number)
						c.compare(t, &tier)
						c.causal = true
						c.compare(t, &tier)
					}
				}
			})
		}
	}
}

// TestAttendSmallWeights meets the bounds below which a weight, or its word, is zero.
func TestAttendSmallWeights(t *testing.T) {
	for _, tier := range otherTiers(t) {
		for _, round := range []bool{false, true} {
			for _, around := range []float32{63, 126} {
				c := newAttendCase(MR, 2, []int{64}, round, func() float32 { return 0 })
				for r := range c.rows {
					q := pair(1, 1)
					if !round {
						q = 1
					}
					c.queries[r*(Words(2, round)+3)] = q
				}
				for j := range 63 {
					v := -(around + float32(j-32)/16) / 0.37
					if round { // the sum of two bf16 numbers
						high := even(pair(v, 0))
						c.keys[0][j/NR*NR*Words(2, round)+j%NR] = pair(high, v-high)
					} else {
						c.keys[0][j/NR*NR*2+j%NR] = v
					}
				}
				for i := range c.values[0] {
					c.values[0][i] = pair(1, 1)
				}
				c.compare(t, &tier)
			}
		}
	}
}

func FuzzAttend(f *testing.F) {
	f.Add(uint64(1), uint16(77), uint8(40), true)
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, d uint8, wild bool) {
		r := rand.New(rand.NewPCG(seed, 23))
		number := numbers(r)["ordinary"]
		if wild {
			number = numbers(r)["any bits"]
		}
		for _, tier := range Tiers() {
			for _, round := range []bool{false, true} {
				c := newAttendCase(MR, int(d)+1, []int{int(n)%KeyBlock + 1, 3}, round, number)
				c.compare(t, &tier)
			}
		}
	})
}

// BenchmarkAttend is the rate of attention for a block of keys.
func BenchmarkAttend(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, tier := range Tiers()[1:] {
		for _, round := range []bool{false, true} {
			for _, n := range []int{77, KeyBlock} {
				b.Run(fmt.Sprintf("%s/bf16=%v/keys=%d", tier.Name, round, n), func(b *testing.B) {
					c := newAttendCase(64, 64, []int{n}, round, func() float32 { return float32(r.NormFloat64()) })
					_, tops, ls := c.run(&tier)
					block := Block{Queries: c.queries, QueryStep: Words(64, round) + 3, Rows: 64, Keys: c.keys[0], Words: Words(64, round), N: n, Values: c.values[0],
						ValuePanel: NR * (Words(n, round) + 1), D: 64, Sums: make([]float32, 64*64), SumStep: 64, Tops: tops, Ls: ls, Scale: 0.1, Scratch: make([]float32, BlockScratch(n))}
					attend := tier.F32Attend
					if round {
						attend = tier.BF16Attend
					}
					for b.Loop() {
						attend(&block)
					}
					b.ReportMetric(4*64*64*float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}
