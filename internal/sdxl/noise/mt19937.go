package noise

// mt19937 is the Mersenne Twister (Matsumoto and Nishimura, 1998) as torch's
// CPU generator runs it (ATen/core/MT19937RNGEngine.h).
type mt19937 struct {
	state [624]uint32
	next  int
}

// newMT19937 seeds the generator with the lower 32 bits of seed, as torch does.
func newMT19937(seed uint64) *mt19937 {
	g := &mt19937{next: 624}
	g.state[0] = uint32(seed)
	for i := 1; i < len(g.state); i++ {
		p := g.state[i-1]
		g.state[i] = 1812433253*(p^p>>30) + uint32(i)
	}
	return g
}

// uint32 gives the next 32 bits.
func (g *mt19937) uint32() uint32 {
	if g.next == len(g.state) {
		g.twist()
	}
	y := g.state[g.next]
	g.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (g *mt19937) twist() {
	n := len(g.state)
	for i := range n {
		y := g.state[i]&0x80000000 | g.state[(i+1)%n]&0x7fffffff
		v := g.state[(i+397)%n] ^ y>>1
		if y&1 != 0 {
			v ^= 0x9908b0df
		}
		g.state[i] = v
	}
	g.next = 0
}

// float32 gives a number in [0,1) of 24 bits.
func (g *mt19937) float32() float32 { return float32(g.uint32()&(1<<24-1)) * 0x1p-24 }

// float64 gives a number in [0,1) of 53 bits; the first draw is the upper half.
func (g *mt19937) float64() float64 {
	hi := uint64(g.uint32())
	return float64((hi<<32|uint64(g.uint32()))&(1<<53-1)) * 0x1p-53
}
