package convert

import (
	"encoding/binary"
	"errors"
	"math"
)

// floats has the sizes of the element types that become F16.
var floats = map[string]int{"F16": 2, "BF16": 2, "F32": 4, "F64": 8}

func isFloat(dtype string) bool { return floats[dtype] != 0 }

var errOverflow = errors.New("holds values beyond half precision's 65504; leave --half out")
var errNaN = errors.New("holds NaN: the file is damaged or was saved after a diverged training")

// toHalf rounds a block of whole elements to F16, to nearest, ties to even, as torch does: from F64 by way of F32. Values that would become
// infinite are an error, and so is NaN.
func toHalf(dtype string, block []byte) ([]byte, error) {
	size := floats[dtype]
	out := make([]byte, 0, 2*len(block)/size)
	for ; len(block) >= size; block = block[size:] {
		var v float32
		switch dtype {
		case "BF16":
			v = math.Float32frombits(uint32(binary.LittleEndian.Uint16(block)) << 16)
		case "F32":
			v = math.Float32frombits(binary.LittleEndian.Uint32(block))
		case "F64":
			v = float32(math.Float64frombits(binary.LittleEndian.Uint64(block)))
		}
		h := roundHalf(v)
		if h&0x7c00 == 0x7c00 {
			if v != v {
				return nil, errNaN
			}
			return nil, errOverflow
		}
		out = binary.LittleEndian.AppendUint16(out, h)
	}
	return out, nil
}

// roundHalf rounds to F16, to nearest, ties to even.
func roundHalf(v float32) uint16 {
	bits := math.Float32bits(v)
	sign, m := uint16(bits>>16)&0x8000, bits&0x7fffffff
	switch {
	case m > 0x7f800000:
		return sign | 0x7e00
	case m >= 0x477ff000: // 65520 and more
		return sign | 0x7c00
	case m < 0x38800000: // below 2^-14: adding 0.5 leaves a subnormal's bits, rounded by the processor
		sum := math.Float32frombits(m) + 0.5
		return sign | uint16(math.Float32bits(sum)-0x3f000000)
	}
	m += 0xfff + (m >> 13 & 1)
	return sign | uint16((m-0x38000000)>>13)
}
