package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// sameSlices fails where got is not want, to the bit.
func sameSlices(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !sameBits(got[i], want[i]) {
			t.Fatalf("%s[%d] is %v (%08x), want %v (%08x)", what, i, got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

func fill(n int, f func() float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = f()
	}
	return x
}

// functionsOf names the functions of one operand.
func functionsOf(t *Tier) map[string]func(dst, x []float32) {
	return map[string]func(dst, x []float32){"SiLU": t.SiLU, "GELU": t.GELU, "QuickGELU": t.QuickGELU}
}

// guarded are some elements between two sentinels.
func guarded(n int) (part, whole []float32) {
	whole = make([]float32, n+16)
	for i := range whole {
		whole[i] = 12345
	}
	return whole[8 : 8+n : 8+n], whole
}

func checkGuards(t *testing.T, what string, whole []float32) {
	t.Helper()
	for i := range 8 {
		if whole[i] != 12345 || whole[len(whole)-1-i] != 12345 {
			t.Fatalf("%s wrote beyond its slice", what)
		}
	}
}

// TestFunctionsOnEveryPattern compares functions on patterns of all exponents and signs; the stride
// through the low bits is odd, so that all are met over many runs of eight lanes.
func TestFunctionsOnEveryPattern(t *testing.T) {
	step := uint64(1531)
	if testing.Short() {
		step = 65521
	}
	for _, tier := range otherTiers(t) {
		plain, other := functionsOf(&Plain), functionsOf(&tier)
		x, got, want := make([]float32, 4096), make([]float32, 4096), make([]float32, 4096)
		for b := uint64(0); b < 1<<32; {
			for i := range x {
				x[i] = math.Float32frombits(uint32(b))
				b += step
			}
			for name := range plain {
				plain[name](want, x)
				other[name](got, x)
				for i := range x {
					if !sameBits(got[i], want[i]) {
						t.Fatalf("%s: %s(%v, %08x) is %08x, want %08x", tier.Name, name, x[i], math.Float32bits(x[i]), math.Float32bits(got[i]), math.Float32bits(want[i]))
					}
				}
			}
			for i := range x { // Exp2 by way of Exp2Sum, of no number above zero; every NaN spoils the sum
				want[i] = math.Float32frombits(math.Float32bits(x[i]) | 1<<31)
				got[i] = want[i]
			}
			compareWords(t, &tier, want, 0)
			s1, s2 := exp2Sum(want, 0), tier.Exp2Sum(got, 0)
			sameSlices(t, tier.Name+": Exp2", got, want)
			if !sameBits(s1, s2) {
				t.Fatalf("%s: a sum of Exp2 is %v, want %v", tier.Name, s2, s1)
			}
		}
	}
}

func TestLengths(t *testing.T) {
	for _, tier := range otherTiers(t) {
		r := rand.New(rand.NewPCG(5, 6))
		for name, number := range numbers(r) {
			t.Run(fmt.Sprintf("%s/%s", tier.Name, name), func(t *testing.T) {
				for n := range 71 {
					compareLength(t, &tier, n, number)
				}
				compareLength(t, &tier, 2*(1<<14)+13, number)
			})
		}
	}
}

// comparePairs compares words, in which a NaN is not as good as another.
func comparePairs(t *testing.T, tier *Tier, x, y []float32) {
	t.Helper()
	n := len(x)
	for name, f := range map[string]func(tier *Tier, dst []float32) int{
		"PairLines": func(tier *Tier, d []float32) int {
			k := n / (NR + 1)
			tier.PairLines(d[:(k+1)/2*NR], x, NR+1, k)
			return (k + 1) / 2 * NR
		},
		"LineWords": func(tier *Tier, d []float32) int {
			k := n / (NR + 1)
			tier.LineWords(d[:(k+1)/2*NR], x, NR+1, k)
			return (k + 1) / 2 * NR
		},
		"PairRows":       func(tier *Tier, d []float32) int { tier.PairRows(d, x, y); return n },
		"Pairs":          func(tier *Tier, d []float32) int { tier.Pairs(d[:(n+1)/2], x); return (n + 1) / 2 },
		"Pairs in place": func(tier *Tier, d []float32) int { copy(d, x); tier.Pairs(d[:(n+1)/2], d); return (n + 1) / 2 },
	} {
		want := make([]float32, n)
		got, whole := guarded(n)
		f(&Plain, want)
		for i := range f(tier, got) {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Fatalf("%s of %d: word %d is %08x, want %08x", name, n, i, math.Float32bits(got[i]), math.Float32bits(want[i]))
			}
		}
		checkGuards(t, name, whole)
	}
}

// compareWords compares words of weights with those of Exp2Sum and Pairs; all of them may be NaN where one weight is.
func compareWords(t *testing.T, tier *Tier, x []float32, top float32) {
	t.Helper()
	if tier.Exp2Words == nil {
		return
	}
	n, room := len(x), (len(x)+15)/16*16
	want := make([]float32, room)
	copy(want, x)
	sum := Plain.Exp2Sum(want[:n], top)
	clear(want[n:])
	Plain.Pairs(want[:room/2], want)
	got, whole := guarded(room)
	copy(got, x)
	if s := tier.Exp2Words(got, n, top); !sameBits(s, sum) {
		t.Fatalf("the sum of Exp2Words of %d is %v, want %v", n, s, sum)
	}
	checkGuards(t, "Exp2Words", whole)
	for i := range want[:room/2] {
		a, b := math.Float32bits(got[i]), math.Float32bits(want[i])
		if sum == sum && a != b || sum != sum && i < (n+1)/2 && (even(got[i]) == even(got[i]) || odd(got[i]) == odd(got[i])) {
			t.Fatalf("Exp2Words of %d, whose sum is %v: word %d is %08x, want %08x", n, sum, i, a, b)
		}
	}
}

// TestWordsAtBounds: weights next to where they, or their words, become zero, and where they round to another whole number.
func TestWordsAtBounds(t *testing.T) {
	var x []float32
	for _, at := range []float32{0, 0.5, 1, 1.5, 62.5, 63, 63.5, 125.5, 126, 126.5, 127, 149, 150, 252, 253, 1 << 22, 1 << 23, 3 << 22, math.MaxFloat32} {
		for d := range uint32(5) {
			x = append(x, math.Float32frombits(math.Float32bits(-at)+d-2))
		}
	}
	x = slices.DeleteFunc(x, func(v float32) bool { return v > 0 || v != v })
	for _, tier := range otherTiers(t) {
		for n := range len(x) {
			compareWords(t, &tier, x[n:], 0)
		}
	}
}

func compareLength(t *testing.T, tier *Tier, n int, number func() float32) {
	t.Helper()
	x, y, z := fill(n, number), fill(n, number), fill(n, number)
	want := make([]float32, n)
	each := func(name string, plain, other func(dst []float32)) {
		t.Helper()
		got, whole := guarded(n)
		copy(want, x)
		copy(got, x)
		plain(want)
		other(got)
		sameSlices(t, fmt.Sprintf("%s of %d", name, n), got, want)
		checkGuards(t, name, whole)
	}
	other := functionsOf(tier)
	for name, f := range functionsOf(&Plain) {
		each(name, func(d []float32) { f(d, d) }, func(d []float32) { other[name](d, d) })
	}
	comparePairs(t, tier, x, y)
	each("Add", func(d []float32) { Plain.Add(d, x, y) }, func(d []float32) { tier.Add(d, x, y) })
	each("MulGELU", func(d []float32) { Plain.MulGELU(d, x, y) }, func(d []float32) { tier.MulGELU(d, x, y) })
	each("Normalize", func(d []float32) { Plain.Normalize(d, x, y, z, 0.3, 1.7) }, func(d []float32) { tier.Normalize(d, x, y, z, 0.3, 1.7) })
	each("Divide", func(d []float32) { Plain.Divide(d, 0.7) }, func(d []float32) { tier.Divide(d, 0.7) })
	var a, b float32
	each("ScaleMax", func(d []float32) { a = Plain.ScaleMax(d, 0.7) }, func(d []float32) { b = tier.ScaleMax(d, 0.7) })
	if a != b && (a == a || b == b) { // the sign of a zero has no effect
		t.Fatalf("ScaleMax of %d is %v, want %v", n, b, a)
	}
	top := float32(math.Inf(-1))
	for _, v := range x {
		if v > top {
			top = v
		}
	}
	each("Exp2Sum", func(d []float32) { a = Plain.Exp2Sum(d, top) }, func(d []float32) { b = tier.Exp2Sum(d, top) })
	if !sameBits(a, b) {
		t.Fatalf("Exp2Sum of %d is %v, want %v", n, b, a)
	}
	compareWords(t, tier, x, top)
	if a, b := Plain.Sum(x), tier.Sum(x); !sameBits(a, b) {
		t.Fatalf("Sum of %d is %v, want %v", n, b, a)
	}
	if a, b := Plain.Squares(x, 0.25), tier.Squares(x, 0.25); !sameBits(a, b) {
		t.Fatalf("Squares of %d is %v, want %v", n, b, a)
	}
}

func TestScaleAndMoments(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, tier := range otherTiers(t) {
		for _, number := range numbers(r) {
			for c := range 41 {
				compareChannels(t, &tier, c, 1+r.IntN(27), r.IntN(5), factorsOf(3+r.IntN(9), 1+r.IntN(9)), number)
			}
		}
	}
}

// compareChannels compares what is done by channel, on pixels of c channels, extra floats apart.
func compareChannels(t *testing.T, tier *Tier, c, pixels, extra int, f mergeFactors, number func() float32) {
	t.Helper()
	what := fmt.Sprintf("%s, %d pixels of %d channels and %d: ", tier.Name, pixels, c, extra)
	x, a, b := fill(pixels*(c+extra)+1, number), fill(c, number), fill(c, number)
	want := make([]float32, pixels*(c+2)+1)
	got, whole := guarded(len(want))
	clear(got)
	Plain.Scale(want, c+2, x, c+extra, a, b, pixels)
	tier.Scale(got, c+2, x, c+extra, a, b, pixels)
	sameSlices(t, what+"Scale", got, want)
	checkGuards(t, what+"Scale", whole)

	mean, m2 := make([]float32, c), make([]float32, c)
	gotMean, meanGuards := guarded(c)
	gotM2, m2Guards := guarded(c)
	Plain.RowMoments(mean, m2, x, c+extra, pixels)
	tier.RowMoments(gotMean, gotM2, x, c+extra, pixels)
	sameSlices(t, what+"RowMoments' means", gotMean, mean)
	sameSlices(t, what+"RowMoments' M2", gotM2, m2)
	Plain.MergeMoments(mean, m2, a, b, f)
	tier.MergeMoments(gotMean, gotM2, a, b, f)
	sameSlices(t, what+"MergeMoments' means", gotMean, mean)
	sameSlices(t, what+"MergeMoments' M2", gotM2, m2)
	checkGuards(t, what+"moments", meanGuards)
	checkGuards(t, what+"moments", m2Guards)
}

// TestMomentsByElement checks the moments of channels against the merge of single blocks.
func TestMomentsByElement(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	const c, n = 3, 21
	x := fill(c*n, func() float32 { return float32(r.NormFloat64()) + 5 })
	mean, m2 := make([]float32, c), make([]float32, c)
	Plain.RowMoments(mean, m2, x, c, n)
	for k := range c {
		var sum, squares float64
		for i := range n {
			sum += float64(x[i*c+k])
		}
		for i := range n {
			d := float64(x[i*c+k]) - sum/n
			squares += d * d
		}
		if math.Abs(float64(mean[k])-sum/n) > 1e-5 || math.Abs(float64(m2[k])-squares) > 1e-4 {
			t.Errorf("channel %d: mean %v, M2 %v; want %v, %v", k, mean[k], m2[k], sum/n, squares)
		}
	}
}

func TestPack(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, tier := range otherTiers(t) {
		for _, format := range []Format{F32, F16, BF16, F64} {
			for _, taps := range []int{1, 4, 9} {
				for range 40 {
					outs, from, c := 1+r.IntN(40), r.IntN(5), 1+r.IntN(45)
					w := randomWeight(r, format, outs, from+c+r.IntN(3), taps)
					for n0 := 0; n0 < outs; n0 += NR {
						for _, round := range []bool{false, true} {
							comparePack(t, &tier, w, from, c, n0, outs, round)
						}
					}
				}
			}
		}
	}
}

// TestPackWholeSquares covers the shapes that tiers pack in squares of words: all bits of fp16 numbers are met.
func TestPackWholeSquares(t *testing.T) {
	for _, tier := range otherTiers(t) {
		for _, c := range []int{32, 64, 96, 512, 1024, 1056} {
			for from := range 3 {
				w := &Weight{Format: F16, C: c + from, Taps: 1, Data: make([]byte, 2*(c+from)*2*NR)}
				for i := range len(w.Data) / 2 {
					binary.LittleEndian.PutUint16(w.Data[2*i:], uint16(i*40503))
				}
				comparePack(t, &tier, w, from, c, 0, 2*NR, true)
				comparePack(t, &tier, w, from, c, NR, 2*NR, true)
				comparePack(t, &tier, w, 0, c, NR, 2*NR-1, true)
			}
		}
	}
}

func randomWeight(r *rand.Rand, format Format, outs, c, taps int) *Weight {
	size := [...]int{F32: 4, F16: 2, BF16: 2, F64: 8}[format]
	w := &Weight{Data: make([]byte, outs*c*taps*size), Format: format, C: c, Taps: taps}
	for i := range w.Data {
		w.Data[i] = byte(r.Uint32())
	}
	if format == F64 {
		for i := 0; i < len(w.Data); i += 8 {
			binary.LittleEndian.PutUint64(w.Data[i:], math.Float64bits(r.NormFloat64()))
		}
	}
	return w
}

// comparePack compares with the definition of a panel, for both tiers.
func comparePack(t *testing.T, tier *Tier, w *Weight, from, c, n0, outs int, round bool) {
	t.Helper()
	n := PanelLen(c, w.Taps, round)
	want, got, scratch := fill(n, func() float32 { return 7 }), fill(n, func() float32 { return 8 }), make([]float32, PackScratch(w.Taps))
	Plain.Pack(want, scratch, w, from, c, n0, outs, round)
	tier.Pack(got, scratch, w, from, c, n0, outs, round)
	what := fmt.Sprintf("format %d, %d taps, channels %d+%d of %d, outputs %d of %d", w.Format, w.Taps, from, c, w.C, n0, outs)
	sameSlices(t, what, got, want)
	perTap := n / w.Taps / NR
	at := func(tap, ch, j int) float32 {
		if n0+j >= outs || ch >= c {
			return 0
		}
		return w.at(((n0+j)*w.C+from+ch)*w.Taps + tap)
	}
	for tap := range w.Taps {
		for word := range perTap {
			for j := range NR {
				v := at(tap, word, j)
				if round {
					v = pair(at(tap, 2*word, j), at(tap, 2*word+1, j))
				}
				if !sameBits(v, got[(tap*perTap+word)*NR+j]) {
					t.Fatalf("%s: tap %d, word %d, output %d is %v, want %v", what, tap, word, j, got[(tap*perTap+word)*NR+j], v)
				}
			}
		}
	}
}
