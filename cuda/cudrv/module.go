//go:build cuda && cgo

package cudrv

import (
	"bytes"
	"errors"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
)

// module is a loaded PTX text.
type module struct {
	d        *Device
	m        cu.Module
	unloaded bool
}

// Load is cuModuleLoadDataEx, with the compiler's errors in the error's Detail.
func (d *Device) Load(ptx string) (driver.Module, error) {
	out, log := &module{d: d}, make([]byte, 16<<10)
	err := d.do("cuModuleLoadDataEx", func() (err error) {
		out.m, err = cu.LoadDataEx(ptx, &cu.JITErrorLogBuffer{Buffer: log})
		return err
	})
	if err == nil {
		return out, nil
	}
	var e *driver.Error
	if text, _, _ := bytes.Cut(log, []byte{0}); errors.As(err, &e) && len(text) > 0 {
		e.Detail = string(bytes.TrimSpace(text))
	}
	return nil, err
}

// Unload is cuModuleUnload.
func (m *module) Unload() error {
	const call = "cuModuleUnload"
	if m.unloaded {
		return driver.Errorf(call, driver.InvalidHandle, "the module is unloaded")
	}
	m.unloaded = true
	return m.d.do(call, m.m.Unload)
}

// function is a kernel.
type function struct {
	m    *module
	f    cu.Function
	name string
}

// Function is cuModuleGetFunction.
func (m *module) Function(name string) (driver.Function, error) {
	const call = "cuModuleGetFunction"
	if m.unloaded {
		return nil, driver.Errorf(call, driver.InvalidHandle, "the module is unloaded")
	}
	out := &function{m: m, name: name}
	err := m.d.do(call, func() (err error) {
		out.f, err = m.m.Function(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Name is the kernel's name.
func (f *function) Name() string { return f.name }

// Attribute is cuFuncGetAttribute.
func (f *function) Attribute(a driver.FunctionAttribute) (v int, err error) {
	err = f.do("cuFuncGetAttribute", func() (err error) {
		v, err = f.f.Attribute(cu.FunctionAttribute(a))
		return err
	})
	return v, err
}

// AllowShared is cuFuncSetAttribute.
func (f *function) AllowShared(bytes int) error {
	return f.do("cuFuncSetAttribute", func() error { return allowShared(f.f, bytes) })
}

// do makes a call, unless the module is unloaded.
func (f *function) do(call string, what func() error) error {
	if f.m.unloaded {
		return driver.Errorf(call, driver.InvalidHandle, "the module of %s is unloaded", f.name)
	}
	return f.m.d.do(call, what)
}

// Launch is cuLaunchKernel.
func (d *Device) Launch(fn driver.Function, grid, block driver.Dim, shared int, s driver.Stream, args []uint64) error {
	const call = "cuLaunchKernel"
	st, err := d.stream(call, s)
	if err != nil {
		return err
	}
	f, ok := fn.(*function)
	if !ok || f == nil || f.m.d != d {
		return driver.Errorf(call, driver.InvalidHandle, "no kernel of this device")
	}
	at := make([]unsafe.Pointer, len(args))
	for i := range args {
		at[i] = unsafe.Pointer(&args[i])
	}
	return f.do(call, func() error {
		return f.f.Launch(grid.X, grid.Y, grid.Z, block.X, block.Y, block.Z, shared, st, at)
	})
}
