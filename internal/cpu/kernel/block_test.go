package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// blockCase is one call of a [Product] for many rows.
type blockCase struct {
	terms Terms
	in    []float32
	step  int // floats of a row of in
	rows  int
	cols  int
	wide  int // tiles
}

// newBlockCase makes a case of some runs; x has more taps than they need.
func newBlockCase(r *rand.Rand, runs []Run, rows, cols int, number, acc func() float32) blockCase {
	c := blockCase{rows: rows, cols: cols, wide: (cols + NR - 1) / NR}
	taps, longest := 0, 0
	for _, run := range runs {
		taps, longest = taps+run.Taps, max(longest, run.Words)
	}
	c.terms = Terms{Runs: runs, Step: taps + 1}
	for range up8(rows) / MR * c.terms.Step {
		var tap [MR][]float32
		for k := range tap {
			tap[k] = fill(longest, number)
		}
		c.terms.X = append(c.terms.X, tap)
	}
	for range c.wide {
		for _, run := range runs {
			c.terms.W = append(c.terms.W, fill(run.Taps*run.Words*NR, number))
		}
	}
	c.step = c.wide*NR + 8*r.IntN(2)
	c.in = fill((rows-1)*c.step+c.wide*NR, acc)
	return c
}

func up8(n int) int { return (n + MR - 1) / MR * MR }

// ends are the ends of one of twelve variants: from one row or many, with and without a residual, to sums in rows, to sums in tiles and to words.
func (c *blockCase) ends(variant int) (e Ends, floats int) {
	e = Ends{In: c.in, InStep: variant & 1 * c.step, InTile: NR, Step: c.step, Tile: NR}
	if variant&2 != 0 {
		e.Add, e.AddStep, e.AddTile = slices.Clone(c.in), c.step, NR
		slices.Reverse(e.Add)
	}
	last := c.cols - (c.wide-1)*NR
	switch variant / 4 {
	case 1:
		e.Step, e.Tile = NR, c.rows*NR
	case 2:
		e.Words, e.Step, e.Tile = true, (c.step+1)/2, NR/2
		last = (last + 1) / 2
	}
	return e, (c.rows-1)*e.Step + (c.wide-1)*e.Tile + last
}

// plain runs a case in tiles of MR rows on the plain tier.
func (c *blockCase) plain(e Ends, round bool) {
	dot := Plain.F32Between
	if round {
		dot = Plain.BF16Between
	}
	for r := 0; r < c.rows; r += MR {
		o, t := e, c.terms
		o.In, o.Out, t.X = e.In[r*e.InStep:], e.Out[r*e.Step:], t.X[r/MR*t.Step:]
		if e.Add != nil {
			o.Add = e.Add[r*e.AddStep:]
		}
		dot(&o, &t, min(MR, c.rows-r), c.cols)
	}
}

// laid are the terms with the rows of each run of one tap laid out, and nothing where they were.
func (c *blockCase) laid(tier Tier, round bool) Terms {
	t, lay, channels := c.terms, tier.F32Lay, 1
	if round {
		lay, channels = tier.BF16Lay, 2
	}
	t.X = slices.Clone(t.X)
	taps := 0
	for _, run := range t.Runs {
		var dst []float32
		if run.Taps == 1 && run.Words > 0 {
			var x [][MR][]float32
			for r := 0; r < len(t.X); r += t.Step {
				x = append(x, t.X[r+taps])
				t.X[r+taps] = [MR][]float32{}
			}
			dst = make([]float32, tier.LaidLen(c.rows, run.Words*channels))
			lay(dst, x, run.Words, c.rows)
		}
		t.Laid = append(t.Laid, dst)
		taps += run.Taps
	}
	return t
}

// compare runs all variants on a tier.
func (c *blockCase) compare(t *testing.T, tier Tier, round bool) {
	t.Helper()
	dot := tier.F32Between
	if round {
		dot = tier.BF16Between
	}
	for variant := range 12 {
		want, n := c.ends(variant)
		got, _ := c.ends(variant)
		var whole []float32
		want.Out = make([]float32, n)
		got.Out, whole = guarded(n)
		clear(got.Out)
		c.plain(want, round)
		if variant%2 == 0 {
			got.Keep(make([]float32, tier.Working(c.rows, c.cols)))
		}
		terms := c.terms
		if variant%3 == 1 {
			terms = c.laid(tier, round)
		}
		dot(&got, &terms, c.rows, c.cols)
		what := fmt.Sprintf("%s, bf16 %v, variant %d, %v, %d rows of %d columns", tier.Name, round, variant, c.terms.Runs, c.rows, c.cols)
		for i, w := range want.Out {
			if g := got.Out[i]; !sameBits(g, w) && !(want.Words && nanWords(g, w)) {
				t.Fatalf("%s: element %d is %08x, want %08x", what, i, math.Float32bits(g), math.Float32bits(w))
			}
		}
		checkGuards(t, what, whole)
	}
}

// tallTiers are those that take more than MR rows at once.
func tallTiers(t testing.TB) (tall []Tier) {
	for _, tier := range otherTiers(t) {
		if tier.Height > MR {
			tall = append(tall, tier)
		}
	}
	if tall == nil {
		t.Skip("no tier of this machine takes more rows than a tile has")
	}
	return tall
}

func TestProductsOfManyRows(t *testing.T) {
	for _, tier := range tallTiers(t) {
		r := rand.New(rand.NewPCG(7, 8))
		for name, number := range numbers(r) {
			t.Run(fmt.Sprintf("%s/%s", tier.Name, name), func(t *testing.T) {
				for _, runs := range [][]Run{{{1, 3}}, {{9, 5}}, {{2, 17}, {0, 4}, {1, 8}}, {{1, 0}}, nil} {
					rows, cols := MR+1+r.IntN(tier.Height-MR), 1+r.IntN(5*NR)
					for _, size := range [][2]int{{rows, cols}, {up8(rows), cols}, {rows, (cols | 31) + 1}, {2 * MR, 96}} {
						for _, round := range []bool{false, true} {
							f := number
							if round {
								f = words(number)
							}
							c := newBlockCase(r, runs, min(size[0], tier.Height), size[1], f, number)
							c.compare(t, tier, round)
						}
					}
				}
			})
		}
	}
}

// TestManyStretches covers sums of several stretches whose ends are not those of taps, between places of all kinds.
func TestManyStretches(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	f := func() float32 { return float32(r.NormFloat64()) }
	for _, tier := range tallTiers(t) {
		for _, runs := range [][]Run{{{1, 641}}, {{9, 90}}, {{3, 150}, {1, 320}}, {{2, 320}}, {{2, 256}}} {
			for _, cols := range []int{96, 131} {
				c := newBlockCase(r, runs, 3*MR, cols, f, f)
				c.compare(t, tier, false)
				c = newBlockCase(r, runs, 2*MR+3, cols, words(f), f)
				c.compare(t, tier, true)
			}
		}
		crowded := newBlockCase(r, []Run{{1, 700}}, 2*MR, 1024, f, f) // rows a page apart
		crowded.compare(t, tier, false)
	}
}

func FuzzManyRows(f *testing.F) {
	f.Add(uint64(1), uint8(5), uint8(20), uint8(60), uint8(2), true)
	f.Add(uint64(25), uint8(0), uint8(95), uint8(41), uint8(213), false) // a run without words before another
	f.Fuzz(func(t *testing.T, seed uint64, n, rows, cols, taps uint8, wild bool) {
		r := rand.New(rand.NewPCG(seed, 13))
		number := numbers(r)["special"]
		if wild {
			number = numbers(r)["any bits"]
		}
		n, rows, cols = n%40, rows%48, cols%100 // small, so that there are many
		runs := []Run{{int(taps % 4), int(n)}, {1, int(n)/2 + 1}}
		for _, tier := range tallTiers(t) {
			high := MR + 1 + int(rows)%(tier.Height-MR)
			c := newBlockCase(r, runs, high, int(cols)+1, number, number)
			c.compare(t, tier, false)
			c = newBlockCase(r, runs, high, int(cols)+1, words(number), number)
			c.compare(t, tier, true)
		}
	})
}
