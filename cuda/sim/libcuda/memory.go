//go:build cuda && cgo

package main

/*
#include <stddef.h>
#include <stdint.h>
*/
import "C"

import (
	"unsafe"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
)

// bytesAt is host memory of the program.
func bytesAt(p unsafe.Pointer, n C.size_t) []byte { return unsafe.Slice((*byte)(p), n) }

//export cuMemGetInfo_v2
func cuMemGetInfo_v2(free, total *C.size_t) C.int {
	return call(func(d *sim.Device) error {
		f, t, err := d.MemInfo()
		*free, *total = C.size_t(f), C.size_t(t)
		return err
	})
}

//export cuMemAlloc_v2
func cuMemAlloc_v2(p *C.ulonglong, bytes C.size_t) C.int {
	return call(func(d *sim.Device) error {
		at, err := d.Alloc(int64(bytes))
		*p = C.ulonglong(at)
		return err
	})
}

//export cuMemFree_v2
func cuMemFree_v2(p C.ulonglong) C.int {
	return call(func(d *sim.Device) error { return d.Free(driver.Ptr(p)) })
}

//export cuMemHostAlloc
func cuMemHostAlloc(p *C.uintptr_t, bytes C.size_t, flags C.uint) C.int {
	return call(func(d *sim.Device) error {
		b, err := d.AllocHost(int(bytes))
		if err != nil {
			return err
		}
		at := uintptr(unsafe.Pointer(&b[0])) // outside Go's heap
		*p = C.uintptr_t(at)
		state.Lock()
		defer state.Unlock()
		state.host[at] = b
		return nil
	})
}

//export cuMemFreeHost
func cuMemFreeHost(p unsafe.Pointer) C.int {
	return call(func(d *sim.Device) error {
		state.Lock()
		b := state.host[uintptr(p)]
		delete(state.host, uintptr(p))
		state.Unlock()
		return d.FreeHost(b)
	})
}

//export cuMemcpyHtoD_v2
func cuMemcpyHtoD_v2(dst C.ulonglong, src unsafe.Pointer, n C.size_t) C.int {
	return call(func(d *sim.Device) error {
		state.Lock()
		defer state.Unlock()
		return state.staged.copyIn(d, driver.Ptr(dst), bytesAt(src, n))
	})
}

//export cuMemcpyHtoDAsync_v2
func cuMemcpyHtoDAsync_v2(dst C.ulonglong, src unsafe.Pointer, n C.size_t, s C.uintptr_t) C.int {
	return onStream(s, func(d *sim.Device, s driver.Stream) error { return d.CopyIn(driver.Ptr(dst), bytesAt(src, n), s) })
}

//export cuMemcpyDtoH_v2
func cuMemcpyDtoH_v2(dst unsafe.Pointer, src C.ulonglong, n C.size_t) C.int {
	return call(func(d *sim.Device) error { return d.CopyOut(bytesAt(dst, n), driver.Ptr(src), nil) })
}

//export cuMemcpyDtoHAsync_v2
func cuMemcpyDtoHAsync_v2(dst unsafe.Pointer, src C.ulonglong, n C.size_t, s C.uintptr_t) C.int {
	return onStream(s, func(d *sim.Device, s driver.Stream) error { return d.CopyOut(bytesAt(dst, n), driver.Ptr(src), s) })
}

//export cuMemcpyDtoDAsync_v2
func cuMemcpyDtoDAsync_v2(dst, src C.ulonglong, n C.size_t, s C.uintptr_t) C.int {
	return onStream(s, func(d *sim.Device, s driver.Stream) error {
		return d.Copy(driver.Ptr(dst), driver.Ptr(src), int64(n), s)
	})
}

//export cuMemsetD32Async
func cuMemsetD32Async(dst C.ulonglong, value C.uint, words C.size_t, s C.uintptr_t) C.int {
	return onStream(s, func(d *sim.Device, s driver.Stream) error {
		return d.Fill(driver.Ptr(dst), uint32(value), int64(words), s)
	})
}
