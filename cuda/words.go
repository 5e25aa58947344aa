package cuda

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
)

// word is a kernel's argument in the low bytes of 8.
func word(a any) uint64 {
	switch v := a.(type) {
	case uint64:
		return v
	case driver.Ptr:
		return uint64(v)
	case int:
		return uint64(v)
	case int64:
		return uint64(v)
	case float32:
		return uint64(math.Float32bits(v))
	}
	panic(fmt.Sprintf("an argument of type %T", a))
}

// raw are the bytes of numbers as they lie in memory: little-endian on every system that has CUDA.
func raw[T float32 | int32](x []T) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))
}
