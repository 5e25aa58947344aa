package sim

import (
	"errors"
	"hash/maphash"
	"unsafe"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
)

// hostPattern fills new memory of the host, and the target of a copy to the host until the copy runs.
const hostPattern = 0xa5

// Alloc is cuMemAlloc.
func (d *Device) Alloc(bytes int64) (driver.Ptr, error) {
	err := d.enter("cuMemAlloc")
	defer d.mu.Unlock()
	switch {
	case err != nil:
		return 0, err
	case bytes <= 0:
		return 0, driver.Errorf("cuMemAlloc", driver.InvalidValue, "%d bytes", bytes)
	case bytes > d.options.TotalBytes-d.used:
		return 0, driver.Errorf("cuMemAlloc", driver.OutOfMemory, "%d bytes where %d of %d are free", bytes, d.options.TotalBytes-d.used, d.options.TotalBytes)
	}
	r := d.mem.Alloc(bytes, caller())
	d.used += bytes
	d.allocs[driver.Ptr(r.Base)] = r
	return driver.Ptr(r.Base), nil
}

// Free is cuMemFree; it waits for all work, as a device does.
func (d *Device) Free(p driver.Ptr) error {
	err := d.enter("cuMemFree")
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	r := d.allocs[p]
	if r == nil {
		return driver.Errorf("cuMemFree", driver.InvalidValue, "%#x is no allocation: %s", p, d.mem.Near(uint64(p), 1))
	}
	err = d.drain()
	delete(d.allocs, p)
	d.used -= int64(len(r.Data))
	d.mem.Free(r)
	return err
}

// AllocHost is cuMemHostAlloc: memory outside Go's heap, with a page behind it that cannot be touched where the system can do that.
func (d *Device) AllocHost(bytes int) ([]byte, error) {
	err := d.enter("cuMemHostAlloc")
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if bytes <= 0 {
		return nil, driver.Errorf("cuMemHostAlloc", driver.InvalidValue, "%d bytes", bytes)
	}
	b, give, err := hostMemory(bytes)
	if err != nil {
		return nil, driver.Errorf("cuMemHostAlloc", driver.OutOfMemory, "%d bytes of the host: %v", bytes, err)
	}
	for i := range b {
		b[i] = hostPattern
	}
	d.pinned[&b[0]] = pinned{b, caller(), give}
	return b, nil
}

// FreeHost is cuMemFreeHost.
func (d *Device) FreeHost(b []byte) error {
	err := d.enter("cuMemFreeHost")
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	if len(b) == 0 || len(d.pinned[&b[0]].b) != len(b) {
		return driver.Errorf("cuMemFreeHost", driver.InvalidValue, "the slice is not one of AllocHost, whole")
	}
	give := d.pinned[&b[0]].give
	err = d.drain()
	delete(d.pinned, &b[0])
	return errors.Join(err, give())
}

// isPinned says whether a slice lies in pinned memory.
func (d *Device) isPinned(b []byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	for first, p := range d.pinned {
		base := uintptr(unsafe.Pointer(first))
		if at >= base && at+uintptr(len(b)) <= base+uintptr(len(p.b)) {
			return true
		}
	}
	return false
}

// span finds the region of a range of device memory.
func (d *Device) span(call string, p driver.Ptr, bytes int64) (*vm.Region, int64, error) {
	r := d.mem.Find(uint64(p))
	if r == nil || r.Freed.Load() || bytes < 0 || int64(uint64(p)-r.Base)+bytes > int64(len(r.Data)) {
		return nil, 0, driver.Errorf(call, driver.InvalidValue, "%d bytes at %#x: %s", bytes, p, d.mem.Near(uint64(p), int(bytes)))
	}
	return r, int64(uint64(p) - r.Base), nil
}

// CopyIn is cuMemcpyHtoDAsync, or cuMemcpyHtoD.
func (d *Device) CopyIn(dst driver.Ptr, src []byte, s driver.Stream) error {
	call := "cuMemcpyHtoD"
	if s != nil {
		call = "cuMemcpyHtoDAsync"
	}
	err := d.enter(call)
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	st, err := d.stream(call, s)
	if err != nil {
		return err
	}
	if s != nil && len(src) > 0 && !d.isPinned(src) {
		return driver.Errorf(call, driver.InvalidValue, "a copy on a stream wants memory of AllocHost")
	}
	r, off, err := d.span(call, dst, int64(len(src)))
	if err != nil {
		return err
	}
	sum := d.digest(src)
	op := d.push(st, call, func(o *vm.Order) error {
		if d.digest(src) != sum {
			return d.hostFault(call, vm.HostRace, uint64(dst), len(src), "keep the source as it is until the copy has been waited for")
		}
		if err := d.touch(o, call, r, off, int64(len(src)), true); err != nil {
			return err
		}
		copy(r.Data[off:], src)
		r.Mark(off, int64(len(src)), true)
		d.stats.BytesIn += int64(len(src))
		return nil
	})
	if s != nil {
		return nil
	}
	return d.await(op)
}

var digestSeed = maphash.MakeSeed()

// digest stands for the bytes of a source; with Quick nothing does.
func (d *Device) digest(b []byte) uint64 {
	if d.options.Quick {
		return 0
	}
	return maphash.Bytes(digestSeed, b)
}

// CopyOut is cuMemcpyDtoHAsync, or cuMemcpyDtoH.
func (d *Device) CopyOut(dst []byte, src driver.Ptr, s driver.Stream) error {
	call := "cuMemcpyDtoH"
	if s != nil {
		call = "cuMemcpyDtoHAsync"
	}
	err := d.enter(call)
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	st, err := d.stream(call, s)
	if err != nil {
		return err
	}
	if s != nil && len(dst) > 0 && !d.isPinned(dst) {
		return driver.Errorf(call, driver.InvalidValue, "a copy on a stream wants memory of AllocHost")
	}
	n := int64(len(dst))
	r, off, err := d.span(call, src, n)
	if err != nil {
		return err
	}
	for i := range dst {
		dst[i] = hostPattern
	}
	op := d.push(st, call, func(o *vm.Order) error {
		if err := d.touch(o, call, r, off, n, false); err != nil {
			return err
		}
		if at, ok := r.Written(off, n); !ok {
			return d.hostFault(call, vm.Uninitialised, r.Base+uint64(at), int(n), "byte "+itoa(at)+" of "+r.Label)
		}
		copy(dst, r.Data[off:])
		d.stats.BytesOut += n
		return nil
	})
	if s != nil {
		return nil
	}
	return d.await(op)
}

// Copy is cuMemcpyDtoDAsync.
func (d *Device) Copy(dst, src driver.Ptr, bytes int64, s driver.Stream) error {
	const call = "cuMemcpyDtoDAsync"
	err := d.enter(call)
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	st, err := d.stream(call, s)
	if err != nil {
		return err
	}
	to, at, err := d.span(call, dst, bytes)
	if err != nil {
		return err
	}
	from, off, err := d.span(call, src, bytes)
	if err != nil {
		return err
	}
	if to == from && at < off+bytes && off < at+bytes {
		return driver.Errorf(call, driver.InvalidValue, "the ranges overlap")
	}
	d.push(st, call, func(o *vm.Order) error {
		if err := d.touch(o, call, from, off, bytes, false); err != nil {
			return err
		}
		if err := d.touch(o, call, to, at, bytes, true); err != nil {
			return err
		}
		copy(to.Data[at:at+bytes], from.Data[off:])
		to.CopyMarks(at, from, off, bytes)
		d.stats.BytesMoved += bytes
		return nil
	})
	return nil
}

// Fill is cuMemsetD32Async.
func (d *Device) Fill(dst driver.Ptr, value uint32, words int64, s driver.Stream) error {
	const call = "cuMemsetD32Async"
	err := d.enter(call)
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	st, err := d.stream(call, s)
	if err != nil {
		return err
	}
	if dst%4 != 0 || words < 0 || words > 1<<40 {
		return driver.Errorf(call, driver.InvalidValue, "%d words at %#x", words, dst)
	}
	r, off, err := d.span(call, dst, 4*words)
	if err != nil {
		return err
	}
	d.push(st, call, func(o *vm.Order) error {
		if err := d.touch(o, call, r, off, 4*words, true); err != nil {
			return err
		}
		for i := off; i < off+4*words; i += 4 {
			putWord(r.Data[i:], value)
		}
		r.Mark(off, 4*words, true)
		d.stats.BytesFilled += 4 * words
		return nil
	})
	return nil
}
