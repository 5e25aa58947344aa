package checkup

import (
	"context"
	"errors"
	"slices"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
)

// Options are how a device is looked at.
type Options struct {
	// Small is what the dimensions of measured operations are divided by, 32 at most; 0 for 1, or for 32 where the device is simulated.
	Small int
	// Repeat is the number of times that each operation is measured, after one that does not count; 0 for 5, or 1 where the device is simulated.
	Repeat int
	// Progress is told what is at work, and how far. It may be nil.
	Progress func(what string, done, total int)
}

// Report is what was found.
type Report struct {
	Device     driver.Info
	Free       int64 // bytes of device memory
	Attributes []Attribute
	Kernels    []Kernel
	Suite      []Part
	Speeds     []Speed
}

// Attribute is a property of the device.
type Attribute struct {
	Name  string
	Value int
}

// Kernel is what the driver made of a kernel.
type Kernel struct {
	Name                           string
	Registers, Shared, Local, Most int // of a thread, of a block and of a thread in bytes; threads of a block at most
}

// Equal says whether every case gave the processor's bits.
func (r *Report) Equal() bool {
	return !slices.ContainsFunc(r.Suite, func(p Part) bool { return len(p.Wrong) > 0 })
}

// Run looks at a device. Cases that differ or fail are in the report; its error is what keeps the rest from being looked at.
func Run(ctx context.Context, d driver.Driver, opt Options) (r *Report, err error) {
	simulated := d.Info().Simulated
	if opt.Small == 0 {
		opt.Small = 1
		if simulated {
			opt.Small = 32
		}
	}
	if opt.Repeat == 0 {
		opt.Repeat = 5
		if simulated {
			opt.Repeat = 1
		}
	}
	if opt.Progress == nil {
		opt.Progress = func(string, int, int) {}
	}
	w := &watch{Driver: d, functions: make(map[string]driver.Function)}
	e, err := cuda.New(w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	r = &Report{Device: d.Info()}
	if err := r.describe(w); err != nil {
		return nil, err
	}
	if r.Suite, err = suite(ctx, e, conformance.Cases(), opt.Progress); err != nil {
		return nil, err
	}
	r.Speeds, err = speeds(ctx, e, w, &opt)
	return r, err
}

// attributes are those that the report names.
var attributes = []struct {
	name string
	of   driver.Attribute
}{
	{"multiprocessors", driver.Processors}, {"clock, kHz", driver.ClockKHz}, {"memory clock, kHz", driver.MemoryClockKHz}, {"memory bus, bits", driver.BusWidthBits},
	{"L2 cache, bytes", driver.L2Bytes}, {"threads of a block", driver.MaxThreadsPerBlock}, {"threads of a multiprocessor", driver.MaxThreadsPerProcessor},
	{"blocks of a multiprocessor", driver.MaxBlocksPerProcessor}, {"registers of a multiprocessor", driver.MaxRegistersPerProcessor},
	{"shared memory of a block, bytes", driver.MaxSharedPerBlock}, {"shared memory of a block on request, bytes", driver.MaxSharedPerBlockOptin},
	{"shared memory of a multiprocessor, bytes", driver.MaxSharedPerProcessor}, {"shared memory that the system keeps of a block, bytes", driver.ReservedSharedPerBlock},
	{"threads of a warp", driver.WarpSize}, {"copy engines", driver.AsyncEngines},
}

// describe asks device and kernels what they are.
func (r *Report) describe(w *watch) (err error) {
	if r.Free, _, err = w.MemInfo(); err != nil {
		return err
	}
	for _, a := range attributes {
		v, err := w.Attribute(a.of)
		if err != nil {
			return err
		}
		r.Attributes = append(r.Attributes, Attribute{a.name, v})
	}
	for _, f := range w.seen() {
		k := Kernel{Name: f.Name()}
		for of, to := range map[driver.FunctionAttribute]*int{driver.FunctionRegisters: &k.Registers, driver.FunctionSharedBytes: &k.Shared,
			driver.FunctionLocalBytes: &k.Local, driver.FunctionMaxThreads: &k.Most} {
			if *to, err = f.Attribute(of); err != nil {
				return err
			}
		}
		r.Kernels = append(r.Kernels, k)
	}
	return nil
}
