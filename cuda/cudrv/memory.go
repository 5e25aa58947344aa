//go:build cuda && cgo

package cudrv

import (
	"unsafe"

	"gorgonia.org/cu"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
)

// Alloc is cuMemAlloc.
func (d *Device) Alloc(bytes int64) (driver.Ptr, error) {
	const call = "cuMemAlloc"
	if bytes <= 0 {
		return 0, driver.Errorf(call, driver.InvalidValue, "%d bytes", bytes)
	}
	var p cu.DevicePtr
	err := d.do(call, func() (err error) {
		p, err = cu.MemAlloc(bytes)
		return err
	})
	return driver.Ptr(p), err
}

// Free is cuMemFree.
func (d *Device) Free(p driver.Ptr) error {
	return d.do("cuMemFree", func() error { return cu.MemFree(cu.DevicePtr(p)) })
}

// AllocHost is cuMemHostAlloc.
func (d *Device) AllocHost(bytes int) ([]byte, error) {
	const call = "cuMemHostAlloc"
	if bytes <= 0 {
		return nil, driver.Errorf(call, driver.InvalidValue, "%d bytes", bytes)
	}
	var p unsafe.Pointer
	err := d.do(call, func() (err error) {
		p, err = hostAlloc(bytes)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.hostMu.Lock()
	defer d.hostMu.Unlock()
	d.host[p] = bytes
	return unsafe.Slice((*byte)(p), bytes), nil
}

// FreeHost is cuMemFreeHost.
func (d *Device) FreeHost(b []byte) error {
	const call = "cuMemFreeHost"
	p := unsafe.Pointer(unsafe.SliceData(b))
	d.hostMu.Lock()
	n := d.host[p]
	if n == len(b) {
		delete(d.host, p)
	}
	d.hostMu.Unlock()
	if n == 0 || n != len(b) {
		return driver.Errorf(call, driver.InvalidValue, "the slice is not one of AllocHost, whole")
	}
	return d.do(call, func() error { return cu.MemFreeHost(p) })
}

// pinned refuses memory that did not come from AllocHost: the driver would read or write it after Go has moved on.
func (d *Device) pinned(call string, b []byte) error {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	d.hostMu.Lock()
	defer d.hostMu.Unlock()
	for p, n := range d.host {
		if base := uintptr(p); at >= base && at+uintptr(len(b)) <= base+uintptr(n) {
			return nil
		}
	}
	return driver.Errorf(call, driver.InvalidValue, "a copy on a stream wants memory of AllocHost")
}

// CopyIn is cuMemcpyHtoDAsync, or cuMemcpyHtoD where s is nil. The latter returns when the source was read, which for
// pageable memory is before the bytes are on the device (CUDA driver API, "API synchronization behavior"); streams
// that are not ordered with the default stream would then overtake it. So the default stream is waited for.
func (d *Device) CopyIn(dst driver.Ptr, src []byte, s driver.Stream) error {
	if len(src) == 0 {
		return nil
	}
	from, n := unsafe.Pointer(unsafe.SliceData(src)), int64(len(src))
	if s == nil {
		return d.do("cuMemcpyHtoD", func() error {
			if err := cu.MemcpyHtoD(cu.DevicePtr(dst), from, n); err != nil {
				return err
			}
			return cu.NoStream.Synchronize()
		})
	}
	const call = "cuMemcpyHtoDAsync"
	st, err := d.stream(call, s)
	if err == nil {
		err = d.pinned(call, src)
	}
	if err != nil {
		return err
	}
	return d.do(call, func() error { return cu.MemcpyHtoDAsync(cu.DevicePtr(dst), from, n, st) })
}

// CopyOut is cuMemcpyDtoHAsync, or cuMemcpyDtoH where s is nil.
func (d *Device) CopyOut(dst []byte, src driver.Ptr, s driver.Stream) error {
	if len(dst) == 0 {
		return nil
	}
	to, n := unsafe.Pointer(unsafe.SliceData(dst)), int64(len(dst))
	if s == nil {
		return d.do("cuMemcpyDtoH", func() error { return cu.MemcpyDtoH(to, cu.DevicePtr(src), n) })
	}
	const call = "cuMemcpyDtoHAsync"
	st, err := d.stream(call, s)
	if err == nil {
		err = d.pinned(call, dst)
	}
	if err != nil {
		return err
	}
	return d.do(call, func() error { return cu.MemcpyDtoHAsync(to, cu.DevicePtr(src), n, st) })
}

// Copy is cuMemcpyDtoDAsync.
func (d *Device) Copy(dst, src driver.Ptr, bytes int64, s driver.Stream) error {
	const call = "cuMemcpyDtoDAsync"
	st, err := d.stream(call, s)
	if err != nil {
		return err
	}
	if bytes < 0 || dst < src+driver.Ptr(bytes) && src < dst+driver.Ptr(bytes) && bytes > 0 {
		return driver.Errorf(call, driver.InvalidValue, "%d bytes from %#x to %#x overlap", bytes, src, dst)
	}
	return d.do(call, func() error { return cu.MemcpyDtoDAsync(cu.DevicePtr(dst), cu.DevicePtr(src), bytes, st) })
}

// Fill is cuMemsetD32Async.
func (d *Device) Fill(dst driver.Ptr, value uint32, words int64, s driver.Stream) error {
	const call = "cuMemsetD32Async"
	st, err := d.stream(call, s)
	if err != nil {
		return err
	}
	if dst%4 != 0 || words < 0 {
		return driver.Errorf(call, driver.InvalidValue, "%d words at %#x", words, dst)
	}
	return d.do(call, func() error { return cu.MemsetD32Async(cu.DevicePtr(dst), uint(value), words, st) })
}
