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

// Options of cuModuleLoadDataEx (CUjit_option): where the compiler's errors go.
const (
	errorLogBuffer = 5
	errorLogBytes  = 6
)

//export cuModuleLoadDataEx
func cuModuleLoadDataEx(module *C.uintptr_t, image *C.char, n C.uint, options *C.int, values *C.uintptr_t) C.int {
	return call(func(d *sim.Device) error {
		m, err := d.Load(C.GoString(image))
		if err != nil {
			explain(err.Error(), unsafe.Slice(options, n), unsafe.Slice(values, n))
			return err
		}
		*module = C.uintptr_t(handle(m))
		return nil
	})
}

// explain writes a text to the buffer that options name.
func explain(text string, options []C.int, values []C.uintptr_t) {
	var at, size uintptr
	for i, o := range options {
		switch o {
		case errorLogBuffer:
			at = uintptr(values[i])
		case errorLogBytes:
			size = uintptr(values[i])
		}
	}
	if at == 0 || size == 0 {
		return
	}
	to := unsafe.Slice(*(**byte)(unsafe.Pointer(&at)), size) // memory of the program, not of this library's Go
	to[copy(to[:size-1], text)] = 0
}

//export cuModuleUnload
func cuModuleUnload(module C.uintptr_t) C.int {
	return call(func(*sim.Device) error {
		m, err := object[driver.Module](uintptr(module))
		if err != nil {
			return err
		}
		forget(uintptr(module))
		return m.Unload()
	})
}

//export cuModuleGetFunction
func cuModuleGetFunction(function *C.uintptr_t, module C.uintptr_t, name *C.char) C.int {
	return call(func(*sim.Device) error {
		m, err := object[driver.Module](uintptr(module))
		if err != nil {
			return err
		}
		f, err := m.Function(C.GoString(name))
		if err != nil {
			return err
		}
		*function = C.uintptr_t(handle(f))
		return nil
	})
}

//export cuFuncGetAttribute
func cuFuncGetAttribute(value *C.int, attribute C.int, function C.uintptr_t) C.int {
	return call(func(*sim.Device) error {
		f, err := object[driver.Function](uintptr(function))
		if err != nil {
			return err
		}
		v, err := f.Attribute(driver.FunctionAttribute(attribute))
		*value = C.int(v)
		return err
	})
}

//export cuFuncSetAttribute
func cuFuncSetAttribute(function C.uintptr_t, attribute, value C.int) C.int {
	return call(func(*sim.Device) error {
		f, err := object[driver.Function](uintptr(function))
		if err != nil {
			return err
		}
		if driver.FunctionAttribute(attribute) != driver.FunctionMaxDynamic {
			return driver.InvalidValue
		}
		return f.AllowShared(int(value))
	})
}

//export cuLaunchKernel
func cuLaunchKernel(function C.uintptr_t, gx, gy, gz, bx, by, bz, shared C.uint, s C.uintptr_t, params, extra *unsafe.Pointer) C.int {
	return onStream(s, func(d *sim.Device, s driver.Stream) error {
		f, err := object[driver.Function](uintptr(function))
		if err != nil {
			return err
		}
		if extra != nil {
			return driver.NotSupported
		}
		sizes := f.(interface{ ParamBytes() []int }).ParamBytes()
		args := make([]uint64, len(sizes))
		for i, from := range unsafe.Slice(params, len(sizes)) {
			for k, b := range unsafe.Slice((*byte)(from), sizes[i]) {
				args[i] |= uint64(b) << (8 * k)
			}
		}
		return d.Launch(f, driver.Dim{X: int(gx), Y: int(gy), Z: int(gz)}, driver.Dim{X: int(bx), Y: int(by), Z: int(bz)}, int(shared), s, args)
	})
}
