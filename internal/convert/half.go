package convert

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
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
		h := numeric.ToF16(v)
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
