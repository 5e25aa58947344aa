package cudacost

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
)

// launch is a call of a kernel.
type launch struct {
	kernel *vm.Kernel
	grid   driver.Dim
	block  driver.Dim
	shared int // dynamic
	args   []uint64
}

// recorder is a driver that runs nothing: it notes launches and the bytes of copies on the device. Its memory has addresses, and holds what was
// copied in last.
type recorder struct {
	driver.Driver // calls that the executor does not make while it rehearses fail by nil
	info          driver.Info
	mem           *vm.Memory
	region        *vm.Region
	launches      []launch
	moved         []int64
	waits         int // of the host for the stream
}

func newRecorder(d *Device) *recorder {
	return &recorder{mem: vm.NewMemory(), info: driver.Info{Name: d.Name, Driver: 12090, Major: d.Major, Minor: d.Minor, Processors: d.Processors, WarpSize: 32,
		TotalBytes: d.Memory}}
}

// Info describes the device that is played.
func (r *recorder) Info() driver.Info { return r.info }

// Load compiles a text for the simulator.
func (r *recorder) Load(text string) (driver.Module, error) {
	m, err := vm.Compile(text, r.mem)
	return module{m}, err
}

type module struct{ m *vm.Module }

func (m module) Function(name string) (driver.Function, error) {
	k := m.m.Kernels[name]
	if k == nil {
		return nil, &driver.Error{Call: "cuModuleGetFunction", Code: driver.NotFound}
	}
	return function{k: k}, nil
}

func (m module) Unload() error { return nil }

type function struct {
	driver.Function // attributes are not asked for
	k               *vm.Kernel
}

func (f function) Name() string { return f.k.Name }

// Alloc gives addresses without memory.
func (r *recorder) Alloc(bytes int64) (driver.Ptr, error) {
	r.region = r.mem.AllocBlank(bytes, nil, "the program")
	return driver.Ptr(r.region.Base), nil
}

// Free takes the addresses back.
func (r *recorder) Free(driver.Ptr) error {
	r.mem.Free(r.region)
	return nil
}

// CopyIn keeps what lies at the end of the allocation: tables. Other bytes are data, which nothing looks at.
func (r *recorder) CopyIn(dst driver.Ptr, src []byte, s driver.Stream) error {
	at, size := int64(uint64(dst)-r.region.Base), r.region.Blank+int64(len(r.region.Data))
	if at+int64(len(src))+granule <= size || r.region.Data != nil {
		return nil
	}
	if at < 0 || at+int64(len(src)) > size {
		return fmt.Errorf("a copy of %d bytes to %d of %d", len(src), at, size)
	}
	r.region.Data = append(append([]byte{}, src...), make([]byte, size-at-int64(len(src)))...)
	r.region.Blank = at
	return nil
}

// granule is what sizes of allocations are rounded up to.
const granule = 256

// CopyOut leaves the destination as it is.
func (r *recorder) CopyOut([]byte, driver.Ptr, driver.Stream) error { return nil }

// Copy notes a copy on the device.
func (r *recorder) Copy(_, _ driver.Ptr, bytes int64, _ driver.Stream) error {
	r.moved = append(r.moved, bytes)
	return nil
}

// Launch notes a launch.
func (r *recorder) Launch(f driver.Function, grid, block driver.Dim, shared int, _ driver.Stream, args []uint64) error {
	r.launches = append(r.launches, launch{f.(function).k, grid, block, shared, args})
	return nil
}

// NewStream makes a stream of which nothing is asked.
func (r *recorder) NewStream() (driver.Stream, error) { return stream{r: r}, nil }

type stream struct {
	driver.Stream // the executor waits for no event
	r             *recorder
}

func (s stream) Synchronize() error {
	s.r.waits++
	return nil
}

func (stream) Destroy() error { return nil }

// take gives what was noted since it was asked last.
func (r *recorder) take() (launches []launch, moved []int64, waits int) {
	launches, moved, waits = r.launches, r.moved, r.waits
	r.launches, r.moved, r.waits = nil, nil, 0
	return launches, moved, waits
}
