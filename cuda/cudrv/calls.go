//go:build cuda && cgo

package cudrv

/*
#cgo LDFLAGS: -ldl
#include <cuda.h>

// flow_driver_open is the trampoline's: it loads libcuda.so.1 and calls cuInit. why, of n bytes, says more where it fails.
int flow_driver_open(char *why, unsigned long n);
*/
import "C"

import (
	"unsafe"

	"gorgonia.org/cu"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
)

// load loads libcuda and initialises it (cuInit).
func load() error {
	var why [1024]C.char
	code := driver.Code(C.flow_driver_open(&why[0], C.ulong(len(why))))
	if code == driver.Success {
		return nil
	}
	return &driver.Error{Call: "cuInit", Code: code, Detail: C.GoString(&why[0])}
}

// hostAlloc is cuMemHostAlloc: pinned memory outside Go's heap, which cu.MemFreeHost frees.
func hostAlloc(bytes int) (p unsafe.Pointer, err error) {
	err = result(C.cuMemHostAlloc(&p, C.size_t(bytes), 0))
	return p, err
}

// allowShared is cuFuncSetAttribute of CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES.
func allowShared(f cu.Function, bytes int) error {
	fn := *(*C.CUfunction)(unsafe.Pointer(&f)) // a cu.Function holds a CUfunction and nothing else
	return result(C.cuFuncSetAttribute(fn, C.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, C.int(bytes)))
}

// result is a call's result as [codeOf] reads it.
func result(r C.CUresult) error {
	if r == C.CUDA_SUCCESS {
		return nil
	}
	return driver.Code(r)
}
