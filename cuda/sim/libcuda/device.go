//go:build cuda && cgo

// Command libcuda is libcuda.so.1 made from the simulator, for tests of programs that are built for a real driver:
//
//	go build -tags cuda -buildmode=c-shared -o DIR/libcuda.so.1 ./cuda/sim/libcuda
//	LD_LIBRARY_PATH=DIR flow-cuda run castle.flow.yaml --device cuda
//
// It exports the calls of cuda.h that cuda/cudrv makes. It is strict where a driver may be lax: a call on a thread where no
// context is current fails; so does giving back the context before memory, streams, events and modules; and a copy of
// pageable memory to the device reaches it late. FLOW_LIBCUDA is a list of words: "checked" switches on all checks of
// the simulator, "init=N" makes cuInit fail with result N, "devices=0" takes the device away.
package main

/*
#include <stddef.h>
#include <stdint.h>
*/
import "C"

import (
	"strconv"
	"unsafe"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
)

func main() {}

// what a device says of itself before a context is made.
var described = sim.Open(sim.Options{})

//export cuInit
func cuInit(flags C.uint) C.int {
	if value, ok := setting("init"); ok {
		if n, err := strconv.Atoi(value); err == nil && n != 0 {
			return C.int(n)
		}
	}
	state.Lock()
	defer state.Unlock()
	state.initialised = true
	return 0
}

//export cuDriverGetVersion
func cuDriverGetVersion(version *C.int) C.int {
	*version = C.int(described.Info().Driver)
	return 0
}

//export cuDeviceGetCount
func cuDeviceGetCount(n *C.int) C.int {
	*n = 1
	if value, ok := setting("devices"); ok && value == "0" {
		*n = 0
	}
	return 0
}

//export cuDeviceGet
func cuDeviceGet(device *C.int, ordinal C.int) C.int {
	if ordinal != 0 {
		return C.int(driver.InvalidDevice)
	}
	*device = 0
	return 0
}

//export cuDeviceGetName
func cuDeviceGetName(name *C.char, n, device C.int) C.int {
	to := unsafe.Slice((*byte)(unsafe.Pointer(name)), n)
	clear(to)
	copy(to[:n-1], described.Info().Name)
	return 0
}

//export cuDeviceTotalMem_v2
func cuDeviceTotalMem_v2(bytes *C.size_t, device C.int) C.int {
	*bytes = C.size_t(described.Info().TotalBytes)
	return 0
}

//export cuDeviceGetAttribute
func cuDeviceGetAttribute(value *C.int, attribute, device C.int) C.int {
	v, err := described.Attribute(driver.Attribute(attribute))
	*value = C.int(v)
	return result(err)
}

//export cuDevicePrimaryCtxRetain
func cuDevicePrimaryCtxRetain(context *C.uintptr_t, device C.int) C.int {
	retain()
	*context = theContext
	return 0
}

//export cuDevicePrimaryCtxRelease_v2
func cuDevicePrimaryCtxRelease_v2(device C.int) C.int { return result(release()) }

//export cuCtxSetCurrent
func cuCtxSetCurrent(context C.uintptr_t) C.int { return result(setCurrent(uintptr(context))) }

//export cuCtxSynchronize
func cuCtxSynchronize() C.int {
	return call(func(d *sim.Device) error { return d.Synchronize() })
}

// call makes a call of the current device.
func call(f func(d *sim.Device) error) C.int {
	d, err := current()
	if err == nil {
		err = f(d)
	}
	return result(err)
}
