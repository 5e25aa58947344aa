package sim

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
)

// Options say what the device is like. The zero value is a device with 16 GB and every check.
type Options struct {
	TotalBytes int64 // device memory; 0 for 16 GB
	Quick      bool  // leaves out the checks of vm.Checks
	MMA        vm.MMAModel
	Workers    int    // goroutines that run blocks; 0 for one a processor
	Seed       uint64 // of all order that is not fixed
	Limit      int64  // instructions of a warp; 0 for 2^28
	// Inject, where not nil, is asked at every call by its name in cuda.h, and before every kernel with "kernel " and its
	// name: a code that is not Success makes it fail. Codes from 700 on and ECCUncorrectable lose the device.
	Inject func(call string) driver.Code
}

// Device is the simulated device: a driver.Driver with counters.
type Device struct {
	mu      sync.Mutex
	options Options
	config  vm.Config
	mem     *vm.Memory
	used    int64
	allocs  map[driver.Ptr]*vm.Region
	pinned  map[*byte]pinned
	modules map[*module]string // where loaded
	streams []*stream          // the first is the default stream
	events  map[*event]string
	ops     []opInfo // of each operation by its number; the first is none
	host    clock    // what is certain to be done for the host
	rand    uint64
	lost    error
	closed  bool
	stats   Stats
}

// pinned is host memory with the line that allocated it and what gives it back.
type pinned struct {
	b     []byte
	where string
	give  func() error
}

// Open makes a device.
func Open(o Options) *Device {
	if o.TotalBytes <= 0 {
		o.TotalBytes = 16 << 30
	}
	checks := vm.Full
	if o.Quick {
		checks = vm.Quick
	}
	d := &Device{options: o, mem: vm.NewMemory(), allocs: map[driver.Ptr]*vm.Region{}, pinned: map[*byte]pinned{}, modules: map[*module]string{},
		events: map[*event]string{}, ops: make([]opInfo, 1), rand: o.Seed}
	d.mem.Unchecked = o.Quick
	d.config = vm.Config{Checks: checks, MMA: o.MMA, Workers: o.Workers, Limit: o.Limit}
	d.stats.Kernels = map[string]*vm.Counters{}
	d.streams = []*stream{{d: d}}
	return d
}

// enter locks the device for a call and says why it cannot be made.
func (d *Device) enter(call string) error {
	d.mu.Lock()
	if d.closed {
		return &driver.Error{Call: call, Code: driver.Deinitialized}
	}
	if d.lost == nil {
		if code := d.injected(call); code != driver.Success {
			return d.fails(driver.Errorf(call, code, "injected"))
		}
	}
	return d.lost
}

func (d *Device) injected(call string) driver.Code {
	if d.options.Inject == nil {
		return driver.Success
	}
	return d.options.Inject(call)
}

// fails notes an error that loses the device.
func (d *Device) fails(err *driver.Error) error {
	if err.Code >= 700 && err.Code < 800 || err.Code == driver.ECCUncorrectable {
		d.lost = err
	}
	return err
}

// Info describes the device.
func (d *Device) Info() driver.Info {
	return driver.Info{Name: driver.SimulatedName, Driver: 12090, Major: 8, Minor: 0, Processors: 108, WarpSize: 32,
		TotalBytes: d.options.TotalBytes, Simulated: true}
}

// attributes are those of an A100.
var attributes = map[driver.Attribute]int{
	driver.MaxThreadsPerBlock: 1024, driver.MaxBlockX: 1024, driver.MaxBlockY: 1024, driver.MaxBlockZ: 64, driver.MaxGridX: 1<<31 - 1,
	driver.MaxGridY: 65535, driver.MaxGridZ: 65535, driver.MaxSharedPerBlock: 48 << 10, driver.WarpSize: 32, driver.MaxRegistersPerBlock: 65536,
	driver.ClockKHz: 1410000, driver.Processors: 108, driver.MemoryClockKHz: 1215000, driver.BusWidthBits: 5120, driver.L2Bytes: 40 << 20,
	driver.MaxThreadsPerProcessor: 2048, driver.AsyncEngines: 3, driver.CapabilityMajor: 8, driver.CapabilityMinor: 0,
	driver.MaxSharedPerProcessor: 164 << 10, driver.MaxRegistersPerProcessor: 65536, driver.MaxSharedPerBlockOptin: maxDynamic,
	driver.MaxBlocksPerProcessor: 32, driver.ReservedSharedPerBlock: 1 << 10,
}

const maxDynamic = 163 << 10

// Attribute is cuDeviceGetAttribute.
func (d *Device) Attribute(a driver.Attribute) (int, error) {
	err := d.enter("cuDeviceGetAttribute")
	defer d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	v, ok := attributes[a]
	if !ok {
		return 0, driver.Errorf("cuDeviceGetAttribute", driver.InvalidValue, "attribute %d is not simulated", a)
	}
	return v, nil
}

// MemInfo is cuMemGetInfo.
func (d *Device) MemInfo() (free, total int64, err error) {
	err = d.enter("cuMemGetInfo")
	defer d.mu.Unlock()
	return d.options.TotalBytes - d.used, d.options.TotalBytes, err
}

// Stats is what the device did so far.
func (d *Device) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats.clone()
}

// Synchronize is cuCtxSynchronize.
func (d *Device) Synchronize() error {
	err := d.enter("cuCtxSynchronize")
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	return d.drain()
}

// LeakError says what was not given back before Close.
type LeakError struct{ Leaks []string }

// Error lists the leaks.
func (e *LeakError) Error() string {
	return fmt.Sprintf("%d leaks at Close: %s", len(e.Leaks), strings.Join(e.Leaks, "; "))
}

// Close ends all work; its error is that work's, or a *LeakError.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return &driver.Error{Call: "cuDevicePrimaryCtxRelease", Code: driver.Deinitialized}
	}
	err := d.lost
	if err == nil {
		err = d.drain()
	}
	d.closed = true
	leaks := d.leaks()
	for _, p := range d.pinned {
		err = errors.Join(err, p.give())
	}
	if err == nil && len(leaks) > 0 {
		err = &LeakError{leaks}
	}
	return err
}

func (d *Device) leaks() (out []string) {
	for _, r := range d.mem.Live() {
		if d.allocs[driver.Ptr(r.Base)] != nil {
			out = append(out, r.Label)
		}
	}
	for _, p := range d.pinned {
		out = append(out, fmt.Sprintf("%d pinned bytes from %s", len(p.b), p.where))
	}
	for _, where := range d.modules {
		out = append(out, "a module from "+where)
	}
	for _, s := range d.streams[1:] {
		if !s.destroyed {
			out = append(out, "a stream from "+s.where)
		}
	}
	for _, where := range d.events {
		out = append(out, "an event from "+where)
	}
	return out
}

// caller is the file and line outside this package that made a call.
func caller() string {
	var pc [16]uintptr
	frames := runtime.CallersFrames(pc[:runtime.Callers(2, pc[:])])
	for {
		f, more := frames.Next()
		if !strings.Contains(f.Function, "/cuda/sim.(") || strings.HasSuffix(f.File, "_test.go") || !more {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
	}
}
