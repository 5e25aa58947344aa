package jpeg

import "fmt"

// quick is the number of bits that one table look-up decodes.
const quick = 9

// huffman is a canonical code.
type huffman struct {
	short  [1 << quick]uint16 // length<<8 | symbol; 0 where the code is longer
	limit  [18]int32          // the first code of each length that is too big, left-aligned in 16 bits
	offset [17]int32          // symbols[code>>(16-length) + offset]
	values []byte
}

func (d *decoder) huffmanTables(body []byte) error {
	for len(body) > 0 {
		if len(body) < 17 {
			return fmt.Errorf("a Huffman table of %d bytes; the file is damaged", len(body))
		}
		class, id := body[0]>>4, body[0]&15
		total := 0
		for _, n := range body[1:17] {
			total += int(n)
		}
		if class > 1 || id > 3 || total > 256 || len(body) < 17+total {
			return fmt.Errorf("a Huffman table that cannot be; the file is damaged")
		}
		h, err := newHuffman(body[1:17], body[17:17+total])
		if err != nil {
			return err
		}
		if class == 0 {
			for _, v := range h.values {
				if v > 15 {
					return fmt.Errorf("a Huffman table whose differences have %d bits; the file is damaged", v)
				}
			}
			d.dcs[id] = h
		} else {
			d.acs[id] = h
		}
		body = body[17+total:]
	}
	return nil
}

func newHuffman(counts, values []byte) (*huffman, error) {
	h := &huffman{values: append([]byte(nil), values...)}
	code, k := int32(0), 0
	for length := 1; length <= 16; length++ {
		h.offset[length] = int32(k) - code
		for range counts[length-1] {
			if code >= 1<<length {
				return nil, fmt.Errorf("a Huffman table with too many codes; the file is damaged")
			}
			if length <= quick {
				for i := range 1 << (quick - length) {
					h.short[int(code)<<(quick-length)|i] = uint16(length)<<8 | uint16(values[k])
				}
			}
			code++
			k++
		}
		h.limit[length] = code << (16 - length)
		code <<= 1
	}
	h.limit[17] = 1 << 30
	return h, nil
}

// bits reads the entropy-coded bytes of a scan. They end at a marker.
type bits struct {
	data  []byte
	at    int
	acc   uint64 // the next n bits, left-aligned
	n     int
	ended bool // at a marker or at the end of the file
}

func (b *bits) fill() {
	for b.n <= 48 && !b.ended {
		if b.at >= len(b.data) {
			b.ended = true
			return
		}
		v := b.data[b.at]
		if v == 0xFF {
			next := b.at + 1
			for next < len(b.data) && b.data[next] == 0xFF {
				next++
			}
			if next >= len(b.data) || b.data[next] != 0 {
				b.ended = true
				return
			}
			b.at = next
		}
		b.at++
		b.acc |= uint64(v) << (56 - b.n)
		b.n += 8
	}
}

// short is the error of a scan whose bits have run out.
func (b *bits) short() error {
	if b.at >= len(b.data) || b.at+1 >= len(b.data) {
		return fmt.Errorf("%w: the picture is not whole", ErrCutShort)
	}
	return fmt.Errorf("%w: a scan stops before the picture is whole, at a marker %#x", ErrCutShort, b.data[b.at+1])
}

// take reads n bits, 0 to 16.
func (b *bits) take(n int) (int, error) {
	if n == 0 {
		return 0, nil
	}
	if b.n < n {
		if b.fill(); b.n < n {
			return 0, b.short()
		}
	}
	v := int(b.acc >> (64 - n))
	b.acc <<= n
	b.n -= n
	return v, nil
}

// extended reads n bits as a signed difference.
func (b *bits) extended(n int) (int, error) {
	v, err := b.take(n)
	if n > 0 && v < 1<<(n-1) {
		v += -1<<n + 1
	}
	return v, err
}

// symbol reads one code.
func (b *bits) symbol(h *huffman) (byte, error) {
	if b.n < 16 {
		b.fill()
	}
	length, value := 0, byte(0)
	if s := h.short[b.acc>>(64-quick)]; s != 0 {
		length, value = int(s>>8), byte(s)
	} else {
		code := int32(b.acc >> 48)
		for length = quick + 1; code >= h.limit[length]; length++ {
		}
		if length > 16 {
			if b.n < 16 {
				return 0, b.short()
			}
			return 0, fmt.Errorf("a code that is in no table; the file is damaged")
		}
		value = h.values[code>>(16-length)+h.offset[length]]
	}
	if b.n < length {
		return 0, b.short()
	}
	b.acc <<= length
	b.n -= length
	return value, nil
}
