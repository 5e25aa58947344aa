package jpeg

// Constants of the transform by Loeffler, Ligtenberg and Moschytz in 13 fraction bits (libjpeg-turbo's jidctint.c).
const (
	f0298 = 2446
	f0390 = 3196
	f0541 = 4433
	f0765 = 6270
	f0899 = 7373
	f1175 = 9633
	f1501 = 12299
	f1847 = 15137
	f1961 = 16069
	f2053 = 16819
	f2562 = 20995
	f3072 = 25172

	fraction = 13 // of the constants
	extra    = 2  // fraction bits kept between the passes
)

// inverse writes the 8 x 8 samples of a block of coefficients. It is libjpeg-turbo's accurate integer transform as its vector code
// computes it: products by the table and sums of inputs wrap at 16 bits, results saturate at 16 bits. Within the range of honest files
// that is jidctint.c; on extreme coefficients it is what Pillow shows on x86-64.
func inverse(c []int16, table *[64]int16, dst []byte, stride int) {
	var mid [64]int16 // mid[8*column + row]: the first pass goes down columns
	flat := true
	for _, v := range c[8:64] {
		if v != 0 {
			flat = false
			break
		}
	}
	for x := range 8 {
		if flat {
			v := c[x] * table[x] << extra
			for y := range 8 {
				mid[8*y+x] = v
			}
			continue
		}
		in := [8]int16{}
		for y := range 8 {
			in[y] = c[8*y+x] * table[8*y+x]
		}
		out := butterfly(&in, fraction-extra)
		for y := range 8 {
			mid[8*y+x] = out[y]
		}
	}
	for y := range 8 {
		out := butterfly((*[8]int16)(mid[8*y:]), fraction+extra+3)
		row := dst[y*stride : y*stride+8]
		for x, v := range out {
			row[x] = byte(min(127, max(-128, v)) + 128)
		}
	}
}

// butterfly is the transform of eight values, rounded by a shift.
func butterfly(in *[8]int16, shift int) [8]int16 {
	z2, z3 := int32(in[2]), int32(in[6])
	even3 := z2*(f0541+f0765) + z3*f0541
	even2 := z2*f0541 + z3*(f0541-f1847)
	even0, even1 := int32(in[0]+in[4])<<fraction, int32(in[0]-in[4])<<fraction
	a0, a3 := even0+even3, even0-even3
	a1, a2 := even1+even2, even1-even2

	z3, z4 := int32(in[7]+in[3]), int32(in[5]+in[1])
	z3, z4 = z3*(f1175-f1961)+z4*f1175, z3*f1175+z4*(f1175-f0390)
	i1, i3, i5, i7 := int32(in[1]), int32(in[3]), int32(in[5]), int32(in[7])
	b0 := i7*(f0298-f0899) - i1*f0899 + z3
	b1 := i5*(f2053-f2562) - i3*f2562 + z4
	b2 := i3*(f3072-f2562) - i5*f2562 + z3
	b3 := i1*(f1501-f0899) - i7*f0899 + z4

	half := int32(1) << (shift - 1)
	round := func(v int32) int16 { return int16(min(1<<15-1, max(-1<<15, (v+half)>>shift))) }
	return [8]int16{
		round(a0 + b3), round(a1 + b2), round(a2 + b1), round(a3 + b0),
		round(a3 - b0), round(a2 - b1), round(a1 - b2), round(a0 - b3),
	}
}
