package jpeg

import (
	"encoding/binary"
	"fmt"
)

// frame reads a frame header: sizes, precision and the components' sampling.
func (d *decoder) frame(marker byte, body []byte) error {
	if d.components != nil {
		return fmt.Errorf("two frame headers; the file is damaged")
	}
	if len(body) < 6 {
		return fmt.Errorf("a frame header of %d bytes; the file is damaged", len(body))
	}
	if body[0] != 8 {
		return fmt.Errorf("%d-bit JPEG is not read; convert it to 8 bits or to PNG", body[0])
	}
	d.progressive = marker == 0xC2
	d.height, d.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	if d.width == 0 || d.height == 0 {
		return fmt.Errorf("the frame header says %d x %d pixels (a height that follows the picture is not read)", d.width, d.height)
	}
	n := int(body[5])
	if n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("%d components; 1, 3 and 4 are read", n)
	}
	if len(body) != 6+3*n {
		return fmt.Errorf("a frame header of %d bytes for %d components; the file is damaged", len(body), n)
	}
	for i := range n {
		f := body[6+3*i:]
		c := &component{id: int(f[0]), h: int(f[1] >> 4), v: int(f[1] & 15), quant: int(f[2])}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 {
			return fmt.Errorf("component %d is sampled %d x %d with table %d; the file is damaged", c.id, c.h, c.v, c.quant)
		}
		for _, other := range d.components {
			if other.id == c.id {
				return fmt.Errorf("two components are numbered %d; the file is damaged", c.id)
			}
		}
		for k := range c.bits {
			c.bits[k] = -1
		}
		d.components = append(d.components, c)
		d.maxH, d.maxV = max(d.maxH, c.h), max(d.maxV, c.v)
	}
	return d.layout()
}

func ceil(a, b int) int { return (a + b - 1) / b }

// layout computes sizes, and refuses samplings that have no integral interpolation.
func (d *decoder) layout() error {
	for _, c := range d.components {
		if d.maxH%c.h != 0 || d.maxV%c.v != 0 {
			return fmt.Errorf("component %d is sampled %d x %d of %d x %d; fractional sampling is not read", c.id, c.h, c.v, d.maxH, d.maxV)
		}
		c.width, c.height = ceil(d.width*c.h, d.maxH), ceil(d.height*c.v, d.maxV)
		c.blocksWide = ceil(d.width, 8*d.maxH) * c.h
		c.blocksHigh = ceil(d.height, 8*d.maxV) * c.v
		c.stride = 8 * c.blocksWide
	}
	return nil
}

// allocate makes room for the samples, unless the file is too small for the picture that it promises: a block takes at least one bit.
func (d *decoder) allocate() error {
	blocks := 0
	for _, c := range d.components {
		blocks += ceil(c.width, 8) * ceil(c.height, 8)
	}
	if blocks/8 > len(d.data) {
		return fmt.Errorf("%w: %d bytes cannot hold %d x %d pixels", ErrCutShort, len(d.data), d.width, d.height)
	}
	for _, c := range d.components {
		n := c.blocksWide * c.blocksHigh
		c.plane = make([]byte, 64*n)
		if d.progressive {
			c.coefficients = make([]block, n)
		}
	}
	return nil
}
