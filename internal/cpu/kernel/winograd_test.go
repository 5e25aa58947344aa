package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// compareWinograd compares the transforms of a tile and the product between them with the plain tier's.
func compareWinograd(t *testing.T, tier *Tier, n, gap int, number func() float32) {
	t.Helper()
	plane, pixel := n+gap, n+gap
	row := WinogradInput*pixel + gap
	x, init, tmp := fill(6*row, number), fill(n, number), make([]float32, WinogradScratch)
	both := func(name string, size int, f func(tier *Tier, dst []float32)) {
		t.Helper()
		got, whole := guarded(size)
		want := make([]float32, size)
		for i := range want {
			want[i], got[i] = float32(i), float32(i) // what is between results stays
		}
		f(&Plain, want)
		f(tier, got)
		sameSlices(t, fmt.Sprintf("%s: %s of %d", tier.Name, name, n), got, want)
		checkGuards(t, name, whole)
	}
	both("WinogradIn", (Planes-1)*plane+n, func(tier *Tier, d []float32) { tier.WinogradIn(d, plane, x, row, pixel, n, tmp) })
	m, add := fill(Planes*plane, number), fill(4*row, number)
	for name, add := range map[string][]float32{"WinogradOut": nil, "WinogradOut with residual": add} {
		both(name, 3*row+3*pixel+n, func(tier *Tier, d []float32) { tier.WinogradOut(d, add, row, pixel, m, plane, init, tmp) })
	}
	both("WinogradOut in place", 3*row+3*pixel+n, func(tier *Tier, d []float32) { tier.WinogradOut(d, d, row, pixel, m, plane, init, tmp) })
	taps := fill(9*plane, number)
	both("WinogradWeights", (Planes-1)*plane+n, func(tier *Tier, d []float32) { tier.WinogradWeights(d, taps, plane, n, tmp) })
	w := fill(n*NR, number)
	for _, rows := range []int{0, MR, 3 * MR} {
		x := fill(rows*(n+gap)+n, number)
		both("Rows", rows*NR, func(tier *Tier, d []float32) { tier.Rows(d, x, n+gap, w, n, rows) })
	}
}

func TestWinogradEqualsPlain(t *testing.T) {
	for _, tier := range otherTiers(t) {
		r := rand.New(rand.NewPCG(7, 8))
		for name, number := range numbers(r) {
			t.Run(fmt.Sprintf("%s/%s", tier.Name, name), func(t *testing.T) {
				for n := range 37 {
					compareWinograd(t, &tier, n, n%3, number)
				}
			})
		}
	}
}

// TestRowsInSeveralCalls: long work is cut, and its sums are not.
func TestRowsInSeveralCalls(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 8))
	number := numbers(r)["ordinary"]
	for _, size := range [][2]int{{mostWords + 5, MR}, {mostWords / 2, 6 * MR}} {
		n, rows := size[0], size[1]
		x, w := fill(n*rows, number), fill(n*NR, number)
		want := make([]float32, rows*NR)
		Plain.Rows(want, x, n, w, n, rows)
		for _, tier := range otherTiers(t) {
			got := make([]float32, rows*NR)
			tier.Rows(got, x, n, w, n, rows)
			sameSlices(t, tier.Name+": Rows", got, want)
		}
	}
}

// mostWords is near the length at which sums are cut into calls.
const mostWords = 1 << 13

// TestWinogradIsConvolution compares a tile of sums over 64 channels with a convolution in float64.
func TestWinogradIsConvolution(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	number := numbers(r)["ordinary"]
	const c = 64 // of one tile, in the first row of MR
	x, taps, tmp := fill(6*6*c, number), fill(9*c*NR, number), make([]float32, WinogradScratch)
	u, v, m := make([]float32, Planes*c*NR), make([]float32, Planes*c*MR), make([]float32, Planes*MR*NR)
	Plain.WinogradWeights(u, taps, c*NR, c*NR, tmp)
	Plain.WinogradIn(v, MR*c, x, 6*c, c, c, tmp)
	for p := range Planes {
		Plain.Rows(m[p*MR*NR:], v[p*MR*c:], c, u[p*c*NR:], c, MR)
	}
	out := make([]float32, 16*NR)
	Plain.WinogradOut(out, nil, 4*NR, NR, m, MR*NR, make([]float32, NR), tmp)
	var worst, largest float64
	for i := range 16 {
		for j := range NR {
			want := 0.0
			for k := range 9 {
				for ch := range c {
					want += float64(x[((i/4+k/3)*6+i%4+k%3)*c+ch]) * float64(taps[(k*c+ch)*NR+j])
				}
			}
			worst, largest = max(worst, math.Abs(float64(out[i*NR+j])-want)), max(largest, math.Abs(want))
		}
	}
	if worst > 2e-6*largest {
		t.Errorf("the largest difference to float64 is %.2g of the largest result", worst/largest)
	}
}

func FuzzWinograd(f *testing.F) {
	for i := range fuzzSeeds {
		f.Add(uint64(i), uint8(5*i), uint8(i), i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, n, gap uint8, wild bool) {
		r := rand.New(rand.NewPCG(seed, 10))
		number := source(r, wild)
		for _, tier := range Tiers() {
			compareWinograd(t, &tier, int(n), int(gap%9), number)
		}
	})
}
