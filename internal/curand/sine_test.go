package curand

import (
	"math"
	"slices"
	"testing"
)

// pin is a number that torch drew, from a place of the table: what the quadratic of stretch at gives for x, times scale, is want.
type pin struct {
	x           uint32
	scale, want float32
}

// pins are the published numbers with all digits, by stretch.
func pins(t *testing.T) (list [64][]pin) {
	for _, row := range published(t) {
		if row.As != "exact" || row.DType != "fp32" {
			continue
		}
		row.each(t, func(i int, want float64) {
			w := Philox([4]uint32{0, 0, uint32(i), 0}, [2]uint32{uint32(row.Seed)})
			q := quarters(float32(math.FMA(float64(float32(w[1])), float64(angle), float64(angle/2))))
			at := q & (1<<23 - 1)
			if q>>23&1 == 1 {
				at = ^at & (1<<23 - 1)
			}
			scale := float32(math.Sqrt(float64(-2 * log(float32((float64(float32(w[0]))+0.5)*0x1p-32)))))
			list[at>>17] = append(list[at>>17], pin{x: at & (1<<17 - 1), scale: scale, want: float32(math.Abs(want))})
		})
	}
	return list
}

// candidate is an entry of the table, with its greatest error.
type candidate struct {
	entry [3]int32
	worst float64
}

// candidates are the entries of one stretch that keep within 3e-7 of the sine, best first. The first number is even, as in all of the table.
func candidates(stretch int) (list []candidate) {
	const step = 37
	begin, middle := float64(stretch)/128*math.Pi, (float64(stretch)+0.5)/128*math.Pi
	value := int32(math.RoundToEven(math.Sin(begin)*(1<<25))) * 2
	slope := int32(math.RoundToEven(math.Pi / 2 * math.Cos(begin) * (1 << 14)))
	curve := int32(math.RoundToEven(math.Pi * math.Pi / 8 * math.Sin(middle) * (1 << 10)))
	var sines []float64
	var squares []int64
	for x := 0; x < 1<<17; x += step {
		sines = append(sines, math.Sin((float64(stretch)+float64(x)/(1<<17))/128*math.Pi)*(1<<37))
		squares = append(squares, int64(square(uint32(x))))
	}
	for a := value - 12; a <= value+12; a += 2 {
		for b := slope - 3; b <= slope+3; b++ {
			for c := curve - 14; c <= curve+14; c++ {
				if e := worst(a, b, c, step, sines, squares); e < 40000 {
					list = append(list, candidate{[3]int32{a, b, c}, e})
				}
			}
		}
	}
	slices.SortStableFunc(list, func(x, y candidate) int {
		if x.worst < y.worst {
			return -1
		}
		return 1
	})
	return list
}

// worst is the greatest error of a stretch in units of 2^-37; it gives up beyond 40000.
func worst(a, b, c int32, step int, sines []float64, squares []int64) float64 {
	w := 0.0
	for i, s := range sines {
		y := max(int64(a)<<11+int64(b)*int64(i*step)-int64(c)*squares[i], 0)
		unit := int64(1) << 14 // what is cut off: 24 bits are kept
		for unit > 1 && y < unit<<23 {
			unit >>= 1
		}
		w = max(w, math.Abs(float64(y&^(unit-1))-s))
		if w >= 40000 {
			break
		}
	}
	return w
}

// TestSineTable finds the table again, from nothing but numbers that torch drew and the sine: of the entries that give each number to the bit it is
// the best, or as good but for its last bit where they leave a choice. Where none is published it is one of the best three.
func TestSineTable(t *testing.T) {
	all := pins(t)
	found := 0
	for stretch := range sineTable {
		list := candidates(stretch)
		rank, agree := 0, 0
		for _, c := range list {
			good := true
			for _, p := range all[stretch] {
				good = good && quadratic(&c.entry, p.x)*p.scale == p.want
			}
			if c.entry == sineTable[stretch] {
				if !good {
					t.Errorf("stretch %d: the table contradicts what torch drew", stretch)
				}
				rank = agree + 1
			}
			if good {
				agree++
			}
		}
		if rank == 1 && len(all[stretch]) > 0 {
			found++
		} else if rank == 0 || rank > 3 {
			t.Errorf("stretch %d: %d numbers were drawn, the table is number %d of %d entries that agree, of %d", stretch, len(all[stretch]), rank, agree, len(list))
		} else {
			t.Logf("stretch %d: %d numbers were drawn, the table is number %d of %d that agree", stretch, len(all[stretch]), rank, agree)
		}
	}
	if found < 59 {
		t.Errorf("%d of 64 entries are the only ones, or the best, that agree with what torch drew", found)
	}
}
