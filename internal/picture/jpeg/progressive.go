package jpeg

import "fmt"

// endOfBands reads the length of a run of blocks without further coefficients, 2^run and up.
func (s *scan) endOfBands(run int) error {
	extra, err := s.take(run)
	s.endOfBand = 1<<run + extra
	return err
}

// band decodes the first bits of coefficients first to last of a block.
func (s *scan) band(c *component, b *block) error {
	if s.endOfBand > 0 {
		s.endOfBand--
		return nil
	}
	for k := s.first; k <= s.last; k++ {
		symbol, err := s.symbol(c.ac)
		if err != nil {
			return err
		}
		run, n := int(symbol>>4), int(symbol&15)
		if n == 0 {
			if run != 15 {
				if err := s.endOfBands(run); err != nil {
					return err
				}
				s.endOfBand--
				break
			}
			k += 15
			continue
		}
		if k += run; k > s.last {
			return fmt.Errorf("a band of more coefficients than it has; the file is damaged")
		}
		v, err := s.extended(n)
		if err != nil {
			return err
		}
		b[zigzag[k]] = int16(v << s.low)
	}
	return nil
}

// refine decodes one more bit of coefficients first to last: new ones of magnitude one, and a bit for each that is there.
func (s *scan) refine(c *component, b *block) error {
	k := s.first
	for s.endOfBand == 0 && k <= s.last {
		symbol, err := s.symbol(c.ac)
		if err != nil {
			return err
		}
		run, n := int(symbol>>4), int(symbol&15)
		value := int16(0)
		switch {
		case n == 0 && run != 15:
			if err := s.endOfBands(run); err != nil {
				return err
			}
			continue
		case n == 1:
			sign, err := s.take(1)
			if err != nil {
				return err
			}
			value = int16(2*sign-1) << s.low
		case n != 0:
			return fmt.Errorf("a refinement of %d bits; the file is damaged", n)
		}
		if k, err = s.correct(b, k, run); err != nil {
			return err
		}
		if k <= s.last {
			if value != 0 {
				b[zigzag[k]] = value
			}
			k++
		} else if value != 0 {
			return fmt.Errorf("a band of more coefficients than it has; the file is damaged")
		}
	}
	if s.endOfBand > 0 {
		s.endOfBand--
		_, err := s.correct(b, k, 64)
		return err
	}
	return nil
}

// correct reads a bit for each coefficient from k that is not zero, until it has passed run that are, and returns the position of the
// next that is zero.
func (s *scan) correct(b *block, k, run int) (int, error) {
	for ; k <= s.last; k++ {
		at := zigzag[k]
		if b[at] == 0 {
			if run == 0 {
				break
			}
			run--
			continue
		}
		bit, err := s.take(1)
		if err != nil {
			return k, err
		}
		if step := int16(1) << s.low; bit != 0 && b[at]&step == 0 {
			if b[at] < 0 {
				step = -step
			}
			b[at] += step
		}
	}
	return k, nil
}
