package jpeg

import "fmt"

// scan is one pass over blocks: which coefficients it sends, and the state that goes from block to block.
type scan struct {
	*bits
	first, last   int // spectral selection, zigzag positions
	high, low     int // successive approximation
	endOfBand     int // blocks still to come that have no more coefficients in this band
	components    []*component
	progressive   bool
	coefficients  block // sequential: the block at hand
	mcus, restart int   // MCUs until the next restart marker; the interval
	expect        byte
}

// scan decodes the scan whose header has been read.
func (d *decoder) scan() error {
	s, err := d.scanSetup()
	if err != nil {
		return err
	}
	s.bits = &bits{data: d.data, at: d.at}
	if len(s.components) == 1 {
		err = d.single(s, s.components[0])
	} else {
		err = d.interleaved(s)
	}
	d.at = s.at
	return err
}

func (d *decoder) scanSetup() (*scan, error) {
	h := d.scanHeader
	if len(h) < 1 || h[0] < 1 || int(h[0]) > len(d.components) || len(h) != 4+2*int(h[0]) {
		return nil, fmt.Errorf("a scan header of %d bytes; the file is damaged", len(h))
	}
	n := int(h[0])
	tail := h[1+2*n:]
	s := &scan{
		first: int(tail[0]), last: int(tail[1]), high: int(tail[2] >> 4), low: int(tail[2] & 15),
		progressive: d.progressive, mcus: d.restart, restart: d.restart, expect: 0xD0,
	}
	if !d.progressive {
		s.first, s.last, s.high, s.low = 0, 63, 0, 0
	}
	blocks := 0
	for i := range n {
		c, err := d.scanComponent(h[1+2*i], h[2+2*i], s)
		if err != nil {
			return nil, err
		}
		s.components = append(s.components, c)
		blocks += c.h * c.v
	}
	if n > 1 && blocks > 10 {
		return nil, fmt.Errorf("%d blocks in a unit of an interleaved scan, more than the 10 of the format", blocks)
	}
	if d.progressive {
		if err := s.checkProgression(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// scanComponent finds the component of a scan header's entry and gives it its tables.
func (d *decoder) scanComponent(id, tables byte, s *scan) (*component, error) {
	var c *component
	for _, k := range d.components {
		if k.id == int(id) {
			c = k
		}
	}
	for _, k := range s.components {
		if k == c {
			c = nil
		}
	}
	if c == nil || tables>>4 > 3 || tables&15 > 3 {
		return nil, fmt.Errorf("a scan of component %d with tables %#x; the file is damaged", id, tables)
	}
	c.dc, c.ac, c.prediction = d.dcs[tables>>4], d.acs[tables&15], 0
	needDC, needAC := s.first == 0 && s.high == 0, s.last > 0
	if needDC && c.dc == nil || needAC && c.ac == nil {
		return nil, fmt.Errorf("a scan without its Huffman table; the file is damaged")
	}
	if c.seen && !d.progressive {
		return nil, fmt.Errorf("component %d is sent twice; the file is damaged", id)
	}
	if !c.seen {
		quant := d.quants[c.quant]
		if quant == nil {
			return nil, fmt.Errorf("no quantization table %d; the file is damaged", c.quant)
		}
		for i, v := range quant {
			c.table[i] = int16(v)
		}
	}
	c.seen = true
	return c, nil
}

// checkProgression checks a progressive scan's selection against what has been sent, and records it.
func (s *scan) checkProgression() error {
	wrong := s.last > 63 || s.first > s.last || s.first == 0 && s.last != 0 || s.first > 0 && len(s.components) != 1 ||
		s.low > 13 || s.high != 0 && s.high != s.low+1
	if !wrong {
		for _, c := range s.components {
			wrong = wrong || s.first > 0 && c.bits[0] < 0
			for k := s.first; k <= s.last; k++ {
				wrong = wrong || max(0, int(c.bits[k])) != s.high || s.high == 0 && c.bits[k] >= 0
				c.bits[k] = int8(s.low)
			}
		}
	}
	if wrong {
		return fmt.Errorf("a scan of coefficients %d to %d, bits %d to %d, out of order; the file is damaged", s.first, s.last, s.high, s.low)
	}
	return nil
}

// single decodes a scan of one component, whose blocks go row by row without the padding of MCUs.
func (d *decoder) single(s *scan, c *component) error {
	for by := range ceil(c.height, 8) {
		for bx := range ceil(c.width, 8) {
			if err := s.boundary(); err != nil {
				return err
			}
			if err := s.block(c, bx, by); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *decoder) interleaved(s *scan) error {
	for my := range ceil(d.height, 8*d.maxV) {
		for mx := range ceil(d.width, 8*d.maxH) {
			if err := s.boundary(); err != nil {
				return err
			}
			for _, c := range s.components {
				for i := range c.h * c.v {
					if err := s.block(c, mx*c.h+i%c.h, my*c.v+i/c.h); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// boundary is called before each MCU; at the end of a restart interval it passes the marker and starts afresh.
func (s *scan) boundary() error {
	if s.restart == 0 {
		return nil
	}
	if s.mcus > 0 {
		s.mcus--
		return nil
	}
	m := decoder{data: s.data, at: s.at}
	marker, err := m.marker()
	if err != nil {
		return fmt.Errorf("%w: the picture is not whole", ErrCutShort)
	}
	if marker != s.expect {
		return fmt.Errorf("restart marker %#x where %#x is due; the file is damaged or cut short", marker, s.expect)
	}
	s.expect = 0xD0 | (s.expect+1)&7
	s.bits = &bits{data: s.data, at: m.at}
	s.mcus, s.endOfBand = s.restart-1, 0
	for _, c := range s.components {
		c.prediction = 0
	}
	return nil
}

// block decodes what the scan sends of one block.
func (s *scan) block(c *component, bx, by int) error {
	at := by*c.blocksWide + bx
	if !s.progressive {
		s.coefficients = block{}
		if err := s.sequential(c, &s.coefficients); err != nil {
			return err
		}
		inverse(s.coefficients[:], &c.table, c.plane[by*8*c.stride+bx*8:], c.stride)
		return nil
	}
	b := &c.coefficients[at]
	switch {
	case s.first == 0 && s.high == 0:
		return s.difference(c, b, s.low)
	case s.first == 0:
		bit, err := s.take(1)
		b[0] |= int16(bit << s.low)
		return err
	case s.high == 0:
		return s.band(c, b)
	}
	return s.refine(c, b)
}

// difference decodes the mean of a block.
func (s *scan) difference(c *component, b *block, low int) error {
	n, err := s.symbol(c.dc)
	if err != nil {
		return err
	}
	v, err := s.extended(int(n))
	if err != nil {
		return err
	}
	c.prediction += v
	b[0] = int16(c.prediction << low)
	return nil
}

func (s *scan) sequential(c *component, b *block) error {
	if err := s.difference(c, b, 0); err != nil {
		return err
	}
	for k := 1; k < 64; k++ {
		symbol, err := s.symbol(c.ac)
		if err != nil {
			return err
		}
		run, n := int(symbol>>4), int(symbol&15)
		if n == 0 {
			if run != 15 {
				break
			}
			k += 15
			continue
		}
		if k += run; k > 63 {
			return fmt.Errorf("a block of more than 64 coefficients; the file is damaged")
		}
		v, err := s.extended(n)
		if err != nil {
			return err
		}
		b[zigzag[k]] = int16(v)
	}
	return nil
}
