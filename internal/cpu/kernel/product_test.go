package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// otherTiers are the tiers to be compared with Plain.
func otherTiers(t testing.TB) []Tier {
	t.Helper()
	tiers := Tiers()[1:]
	if len(tiers) == 0 {
		t.Skip("this machine has only the plain tier")
	}
	return tiers
}

// sameBits says whether a and b are equal to the bit; any NaN equals any other.
func sameBits(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// dotCase is one call of a [Dot].
type dotCase struct {
	acc     Tile
	x       [][MR][]float32
	w       Panel
	n, rows int
	cols    int
}

func newDotCase(taps, n, rows int, x, w, acc func() float32) dotCase {
	c := dotCase{x: make([][MR][]float32, taps), w: make(Panel, taps*n*NR), n: n, rows: rows, cols: 1 + n*7%NR}
	for t := range c.x {
		for r := range c.x[t] {
			c.x[t][r] = make([]float32, n)
			for i := range c.x[t][r] {
				c.x[t][r][i] = x()
			}
		}
	}
	for i := range c.w {
		c.w[i] = w()
	}
	for i := range c.acc {
		c.acc[i] = acc()
	}
	return c
}

// compare runs a case on Plain and on a tier; round chooses the bf16 loop.
func (c dotCase) compare(t *testing.T, tier Tier, round bool) {
	t.Helper()
	want, got, one, other := c.acc, c.acc, Plain.F32, tier.F32
	if round {
		one, other = Plain.BF16, tier.BF16
	}
	one(&want, c.x, c.w, c.n, c.rows, c.cols)
	other(&got, c.x, c.w, c.n, c.rows, c.cols)
	for i := range want {
		if !sameBits(got[i], want[i]) && i/NR < c.rows && i%NR < c.cols {
			t.Fatalf("%s, bf16 %v, %d taps of %d words, %d rows: element %d,%d is %v (%08x), want %v (%08x)", tier.Name, round, len(c.x), c.n, c.rows,
				i/NR, i%NR, got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

// compareEnds runs a case as a row of tiles between ends: with and without a residual, from one row and from many, to sums and to words,
// in one run of taps and in two.
func (c dotCase) compareEnds(t *testing.T, tier Tier, round bool, tiles int) {
	t.Helper()
	one, other := Plain.F32Between, tier.F32Between
	if round {
		one, other = Plain.BF16Between, tier.BF16Between
	}
	cols := (tiles-1)*NR + c.cols
	step := tiles*NR + 3
	terms := Terms{X: c.x, Runs: []Run{{len(c.x), c.n}}}
	if len(c.x) > 1 {
		terms.Runs = []Run{{1, c.n}, {len(c.x) - 1, c.n}}
	}
	for p := range tiles {
		panel := slices.Clone(c.w)
		if p > 0 { // another panel
			slices.Reverse(panel)
		}
		for _, run := range terms.Runs {
			n := run.Taps * run.Words * NR
			terms.W = append(terms.W, panel[:n])
			panel = panel[n:]
		}
	}
	in := make([]float32, (c.rows-1)*step+cols)
	for i := range in {
		in[i] = c.acc[(5*i+1)%len(c.acc)]
	}
	for variant := range 8 {
		e := Ends{In: in, InStep: variant & 1 * step, InTile: NR, Step: step, Tile: NR, Words: variant&4 != 0}
		if variant&2 != 0 {
			e.Add, e.AddStep, e.AddTile = make([]float32, len(in)), step, NR
			for i := range e.Add {
				e.Add[i] = c.acc[(7*i+3)%len(c.acc)]
			}
		}
		if e.Words {
			e.Step, e.Tile = (step+1)/2, NR/2
		}
		want, got := e, e
		var whole []float32
		n := (c.rows-1)*e.Step + (tiles-1)*e.Tile + c.cols
		if e.Words {
			n = (c.rows-1)*e.Step + (tiles-1)*e.Tile + (c.cols+1)/2
		}
		want.Out = make([]float32, n)
		got.Out, whole = guarded(n)
		clear(got.Out)
		one(&want, &terms, c.rows, cols)
		other(&got, &terms, c.rows, cols)
		what := fmt.Sprintf("%s, bf16 %v, variant %d, %d taps of %d words, %d rows of %d columns", tier.Name, round, variant, len(c.x), c.n, c.rows, cols)
		for i := range want.Out {
			if e.Words && math.Float32bits(got.Out[i]) != math.Float32bits(want.Out[i]) && !nanWords(got.Out[i], want.Out[i]) {
				t.Fatalf("%s: word %d is %08x, want %08x", what, i, math.Float32bits(got.Out[i]), math.Float32bits(want.Out[i]))
			}
		}
		if !e.Words {
			sameSlices(t, what, got.Out, want.Out)
		}
		checkGuards(t, what, whole)
	}
}

// nanWords says whether two words are equal but for which NaN they hold.
func nanWords(a, b float32) bool { return sameBits(even(a), even(b)) && sameBits(odd(a), odd(b)) }

// numbers are sources of operands that reach every corner of the definition.
func numbers(r *rand.Rand) map[string]func() float32 {
	scaled := func(lo, hi int) func() float32 {
		return func() float32 {
			m := float64(math.Float32frombits(127<<23|r.Uint32()&0x7fffff)) * float64(1-2*r.IntN(2))
			return float32(math.Ldexp(m, lo+r.IntN(hi-lo+1)))
		}
	}
	special := []uint32{0, 1 << 31, 1, 0x80000001, 0x007fffff, 0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x3f800000, 0xbf800000}
	whole := func() float32 { return float32(r.IntN(7) - 3) } // sums cancel to zeros of both signs
	halves := func() float32 {                                // products half an ulp of sums near 1
		return float32(math.Ldexp(1+math.Ldexp(float64(r.IntN(16)-8), -23), -12)) * float32(1-2*r.IntN(2))
	}
	return map[string]func() float32{
		"ordinary": scaled(-3, 3),
		"any bits": func() float32 { return math.Float32frombits(r.Uint32()) },
		"tiny":     scaled(-75, -60),
		"huge":     scaled(60, 66),
		"special":  func() float32 { return math.Float32frombits(special[r.IntN(len(special))]) },
		"whole":    whole,
		"halves":   halves,
	}
}

// words makes words of two channels.
func words(f func() float32) func() float32 {
	return func() float32 { return pair(f(), f()) }
}

func TestProductsEqualPlain(t *testing.T) {
	for _, tier := range otherTiers(t) {
		r := rand.New(rand.NewPCG(1, 2))
		for name, number := range numbers(r) {
			t.Run(fmt.Sprintf("%s/%s", tier.Name, name), func(t *testing.T) {
				one := func() float32 { return 1 + float32(r.IntN(1<<10))/(1<<23) }
				for _, acc := range []func() float32{number, one, func() float32 { return 0 }} {
					for n := range 71 {
						for rows := 1; rows <= MR; rows++ {
							taps := 1 + r.IntN(3)
							newDotCase(taps, n, rows, number, number, acc).compare(t, tier, false)
							newDotCase(taps, n, rows, words(number), words(number), acc).compare(t, tier, true)
						}
					}
				}
			})
		}
	}
}

func TestProductsBetweenEnds(t *testing.T) {
	for _, tier := range otherTiers(t) {
		r := rand.New(rand.NewPCG(5, 6))
		for name, number := range numbers(r) {
			t.Run(fmt.Sprintf("%s/%s", tier.Name, name), func(t *testing.T) {
				for n := range 23 {
					for _, size := range [][2]int{{MR, NR}, {MR, NR}, {MR, NR - 1}, {MR - 1, NR}, {3, 16}} {
						for _, round := range []bool{false, true} {
							f := number
							if round {
								f = words(number)
							}
							c := newDotCase(1+r.IntN(3), n, size[0], f, f, number)
							c.cols = size[1]
							c.compareEnds(t, tier, round, 1+r.IntN(3))
						}
					}
				}
			})
		}
	}
}

// TestEndsByElement checks the plain ends against their definition.
func TestEndsByElement(t *testing.T) {
	c := newDotCase(1, 1, 2, func() float32 { return 2 }, func() float32 { return 3 }, func() float32 { return 0 })
	terms := &Terms{X: c.x, Runs: []Run{{1, 1}}, W: [][]float32{c.w}}
	e := Ends{In: []float32{1, 2, 3}, Out: make([]float32, 7), Add: []float32{10, 20, 30, 40, 50, 60, 70}, AddStep: 4, Step: 4}
	Plain.F32Between(&e, terms, 2, 3)
	sameSlices(t, "sums of one row of biases", e.Out, []float32{17, 28, 39, 0, 57, 68, 79})
	e = Ends{In: []float32{1, 2, 3, 4, 5}, InStep: 2, Out: make([]float32, 7), Step: 4}
	Plain.F32Between(&e, terms, 2, 3)
	sameSlices(t, "sums of rows", e.Out, []float32{7, 8, 9, 0, 9, 10, 11})
	e = Ends{In: []float32{1, 2, 3, 4, 5}, InStep: 2, Out: make([]float32, 6), Step: 3, Words: true}
	Plain.F32Between(&e, terms, 2, 3)
	sameSlices(t, "words", e.Out, []float32{pair(7, 8), pair(9, 0), 0, pair(9, 10), pair(11, 0), 0})
}

// TestLongSums covers sums that take several calls.
func TestLongSums(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	f := func() float32 { return float32(r.NormFloat64()) }
	for _, tier := range otherTiers(t) {
		for _, size := range [][2]int{{1, 40000}, {2, 20000}, {5, 4098}, {9, 2560}} {
			newDotCase(size[0], size[1], 2, f, f, f).compare(t, tier, false)
			newDotCase(size[0], size[1], 5, words(f), words(f), f).compare(t, tier, true)
			c := newDotCase(size[0], size[1], MR, words(f), words(f), f)
			c.cols = NR
			c.compareEnds(t, tier, true, 2)
		}
	}
}

// TestBF16IsFused separates the definition from a product that is rounded (to infinity) before it is added.
func TestBF16IsFused(t *testing.T) {
	for _, tier := range Tiers() {
		sum := func(acc, x0, w0, x1, w1 float32) float32 {
			c := newDotCase(1, 1, 1, func() float32 { return pair(x0, x1) }, func() float32 { return pair(w0, w1) }, func() float32 { return acc })
			tier.BF16(&c.acc, c.x, c.w, 1, 1, NR)
			return c.acc[NR-1]
		}
		if got := sum(-0x1p127, 0x1.8p64, 0x1p63, 0, 0x1p64); got != -0x1p126 && got != 0x1p126 {
			t.Errorf("%s: 1.5*2^127 - 2^127 is %v", tier.Name, got)
		}
		if got := sum(-0x1p127, 0x1p64, 0x1p64, 0, 0); got != 0x1p127 { // 2^128 - 2^127
			t.Errorf("%s: 2^128 - 2^127 is %v", tier.Name, got)
		}
		if got := sum(-0x1p127, 0x1.8p64, 0x1p64, 0, 0); !math.IsInf(float64(got), 1) { // 1.5*2^128 - 2^127 = 2^128
			t.Errorf("%s: 1.5*2^128 - 2^127 is %v", tier.Name, got)
		}
		if got := sum(-0x1.8p127, 0x1.8p64, 0x1.8p64, 0, 0); !math.IsInf(float64(got), 1) {
			t.Errorf("%s: 2.25*2^128 - 1.5*2^127 is %v", tier.Name, got)
		}
		if got := sum(0x1p24, 1, 1, 1, 1); got != 0x1p24 { // the odd one first, each addition rounded
			t.Errorf("%s: 2^24 + 1 + 1 is %v", tier.Name, got)
		}
		if got := sum(0x1p-130, 0, 1, 0, 1); got != 0 {
			t.Errorf("%s: a subnormal accumulator stays %v", tier.Name, got)
		}
		if got := sum(0x1p-127, 0x1p-63, 0x1p-63, 0, 1); got != 0x1p-126 { // not 1.5 * 2^-126
			t.Errorf("%s: 2^-127 + 2^-126 is %v", tier.Name, got)
		}
	}
}

// TestModeRestored checks that code after a bf16 product still has subnormal numbers.
func TestModeRestored(t *testing.T) {
	for _, tier := range Tiers() {
		for rows := 1; rows <= MR; rows++ {
			one := func() float32 { return 1 }
			c := newDotCase(1, 2, rows, words(one), words(one), one)
			tier.BF16(&c.acc, c.x, c.w, 2, rows, NR)
			tiny := c.acc[0] * 0x1p-130 // 5 * 2^-130
			if math.Float32bits(tiny) != 5<<19 {
				t.Fatalf("%s: subnormal results are flushed after a bf16 product", tier.Name)
			}
			e := Ends{In: make([]float32, NR), Out: make([]float32, MR*NR), Add: make([]float32, MR*NR), Step: NR, AddStep: NR}
			for i := range e.Add {
				e.Add[i] = 0x1p-130
			}
			c = newDotCase(1, 2, rows, words(func() float32 { return 0 }), words(one), one)
			tier.BF16Between(&e, &Terms{X: c.x, Runs: []Run{{1, 2}}, W: [][]float32{c.w}}, rows, NR)
			if tiny := e.Out[0]; tiny != 0x1p-130 {
				t.Fatalf("%s: a subnormal residual becomes %v", tier.Name, tiny)
			}
		}
	}
}

func FuzzProducts(f *testing.F) {
	for i := range fuzzSeeds {
		f.Add(uint64(i), uint8(5+7*i), uint8(i), uint8(i/3), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, n, rows, taps uint8, wild bool) {
		r := rand.New(rand.NewPCG(seed, 9))
		number := source(r, wild)
		for _, tier := range Tiers() {
			newDotCase(int(taps%4)+1, int(n), int(rows%MR)+1, number, number, number).compare(t, tier, false)
			newDotCase(int(taps%4)+1, int(n), int(rows%MR)+1, words(number), words(number), number).compare(t, tier, true)
		}
	})
}
