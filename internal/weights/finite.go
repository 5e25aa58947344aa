package weights

import "encoding/binary"

// finiteness says whether a tensor holds values that are no numbers.
type finiteness uint8

const (
	hasNaN finiteness = 1 << iota
	hasInf
)

// floatLanes describes the elements of a type as lanes of a 64-bit word.
type floatLanes struct {
	bytes     int
	magnitude uint64 // all bits but the signs
	carry     uint64 // added to the magnitude, moves an exponent of all ones into the sign bit
	inf       uint64 // magnitude of an infinity, in the lowest lane
}

var lanes = map[string]floatLanes{
	"F16":  {2, 0x7fff7fff7fff7fff, 0x0400040004000400, 0x7c00},
	"BF16": {2, 0x7fff7fff7fff7fff, 0x0080008000800080, 0x7f80},
	"F32":  {4, 0x7fffffff7fffffff, 0x0080000000800000, 0x7f800000},
	"F64":  {8, 0x7fffffffffffffff, 0x0010000000000000, 0x7ff0000000000000},
}

// scanFinite looks for infinities and NaNs in data, a whole number of elements
// of a type. Types without such values have none.
func scanFinite(dtype string, data []byte) (found finiteness) {
	l, ok := lanes[dtype]
	if !ok {
		return 0
	}
	for len(data) > 0 {
		block := data[:min(len(data), 4096)]
		data = data[len(block):]
		if !l.allFinite(block) {
			found |= l.classify(block)
		}
	}
	return found
}

// allFinite says whether no element has an exponent of all ones.
func (l floatLanes) allFinite(block []byte) bool {
	var acc, more uint64
	for ; len(block) >= 32; block = block[32:] { // two fifths of the time that one word a turn takes
		b := block[:32:32]
		acc |= ((binary.LittleEndian.Uint64(b) & l.magnitude) + l.carry) | ((binary.LittleEndian.Uint64(b[8:]) & l.magnitude) + l.carry)
		more |= ((binary.LittleEndian.Uint64(b[16:]) & l.magnitude) + l.carry) | ((binary.LittleEndian.Uint64(b[24:]) & l.magnitude) + l.carry)
	}
	acc |= more
	for ; len(block) >= 8; block = block[8:] {
		acc |= (binary.LittleEndian.Uint64(block) & l.magnitude) + l.carry
	}
	if len(block) > 0 {
		var last [8]byte
		copy(last[:], block)
		acc |= (binary.LittleEndian.Uint64(last[:]) & l.magnitude) + l.carry
	}
	return acc&^l.magnitude == 0
}

// classify tells NaNs from infinities, element by element.
func (l floatLanes) classify(block []byte) (found finiteness) {
	for ; len(block) >= l.bytes; block = block[l.bytes:] {
		var word [8]byte
		copy(word[:], block[:l.bytes])
		switch m := binary.LittleEndian.Uint64(word[:]) & l.magnitude; {
		case m > l.inf:
			found |= hasNaN
		case m == l.inf:
			found |= hasInf
		}
	}
	return found
}
