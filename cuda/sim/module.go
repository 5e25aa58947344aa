package sim

import (
	"errors"
	"maps"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
)

// module is a compiled text.
type module struct {
	d        *Device
	m        *vm.Module
	unloaded bool
}

// Load is cuModuleLoadDataEx.
func (d *Device) Load(text string) (driver.Module, error) {
	const call = "cuModuleLoadDataEx"
	err := d.enter(call)
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	m, err := vm.Compile(text, d.mem)
	if err != nil {
		return nil, driver.Errorf(call, driver.InvalidPTX, "%v", err)
	}
	for _, k := range m.Kernels {
		if k.Target > 80 {
			m.Unload(d.mem)
			return nil, driver.Errorf(call, driver.NoBinaryForGPU, "the text is for sm_%d", k.Target)
		}
	}
	out := &module{d: d, m: m}
	d.modules[out] = caller()
	return out, nil
}

// Unload is cuModuleUnload.
func (m *module) Unload() error {
	err := m.d.enter("cuModuleUnload")
	defer m.d.mu.Unlock()
	if err != nil {
		return err
	}
	if m.unloaded {
		return driver.Errorf("cuModuleUnload", driver.InvalidHandle, "the module is unloaded")
	}
	err = m.d.drain()
	m.unloaded = true
	m.m.Unload(m.d.mem)
	delete(m.d.modules, m)
	return err
}

// function is a kernel.
type function struct {
	m       *module
	k       *vm.Kernel
	dynamic int // allowed
}

// Function is cuModuleGetFunction.
func (m *module) Function(name string) (driver.Function, error) {
	err := m.d.enter("cuModuleGetFunction")
	defer m.d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	k := m.m.Kernels[name]
	if k == nil || m.unloaded {
		return nil, driver.Errorf("cuModuleGetFunction", driver.NotFound, "no kernel %q", name)
	}
	return &function{m: m, k: k, dynamic: 48<<10 - k.Shared}, nil
}

// Name is the kernel's name.
func (f *function) Name() string { return f.k.Name }

// ParamBytes is the size of each parameter, for callers that have them by address.
func (f *function) ParamBytes() []int { return f.k.ParamBytes() }

// Attribute is cuFuncGetAttribute.
func (f *function) Attribute(a driver.FunctionAttribute) (int, error) {
	err := f.m.d.enter("cuFuncGetAttribute")
	defer f.m.d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	threads := 1024
	if t := f.k.MaxTid; t != [3]int{} {
		threads = t[0] * t[1] * t[2]
	}
	v, ok := map[driver.FunctionAttribute]int{driver.FunctionMaxThreads: threads, driver.FunctionSharedBytes: f.k.Shared, driver.FunctionConstBytes: 0,
		driver.FunctionLocalBytes: f.k.Local, driver.FunctionRegisters: 0, driver.FunctionPTXVersion: f.k.Target, driver.FunctionMaxDynamic: f.dynamic}[a]
	if !ok {
		return 0, driver.Errorf("cuFuncGetAttribute", driver.InvalidValue, "attribute %d is not simulated", a)
	}
	return v, nil
}

// AllowShared is cuFuncSetAttribute.
func (f *function) AllowShared(bytes int) error {
	err := f.m.d.enter("cuFuncSetAttribute")
	defer f.m.d.mu.Unlock()
	if err != nil {
		return err
	}
	if bytes < 0 || bytes+f.k.Shared > maxDynamic {
		return driver.Errorf("cuFuncSetAttribute", driver.InvalidValue, "%d bytes of shared memory beside %d", bytes, f.k.Shared)
	}
	f.dynamic = bytes
	return nil
}

// Launch is cuLaunchKernel.
func (d *Device) Launch(fn driver.Function, grid, block driver.Dim, shared int, s driver.Stream, args []uint64) error {
	const call = "cuLaunchKernel"
	err := d.enter(call)
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	f, ok := fn.(*function)
	if !ok || f == nil || f.m.d != d || f.m.unloaded {
		return driver.Errorf(call, driver.InvalidHandle, "no kernel of this device, or its module is unloaded")
	}
	st, err := d.stream(call, s)
	if err != nil {
		return err
	}
	l := &vm.Launch{Kernel: f.k, Grid: [3]int{grid.X, grid.Y, grid.Z}, Block: [3]int{block.X, block.Y, block.Z}, Dynamic: shared,
		Args: append([]uint64(nil), args...)}
	if err := l.Validate(); err != nil {
		return driver.Errorf(call, driver.InvalidValue, "%v", err)
	}
	if shared > f.dynamic {
		return driver.Errorf(call, driver.InvalidValue, "%d bytes of shared memory: AllowShared says %d", shared, f.dynamic)
	}
	d.push(st, "kernel "+f.k.Name, func(o *vm.Order) error { return d.kernel(l, o) })
	return nil
}

// kernel runs a launch.
func (d *Device) kernel(l *vm.Launch, o *vm.Order) error {
	name := l.Kernel.Name
	if code := d.injected("kernel " + name); code != driver.Success {
		return driver.Errorf("cuLaunchKernel", code, "injected in %s", name)
	}
	c := d.config
	c.Seed = d.draw() | 1
	if c.Checks&vm.CheckStreams != 0 {
		l.Order = o
	}
	count := d.stats.Kernels[name]
	if count == nil {
		count = &vm.Counters{}
		d.stats.Kernels[name] = count
	}
	err := vm.Run(d.mem, l, &c, count)
	var f *vm.Fault
	if errors.As(err, &f) {
		code := driver.LaunchFailed
		switch f.Kind {
		case vm.OutOfBounds, vm.UseAfterFree, vm.ReadOnly:
			code = driver.IllegalAddress
		case vm.Misaligned:
			code = driver.MisalignedAddress
		case vm.Endless:
			code = driver.LaunchTimeout
		}
		return &faultError{&driver.Error{Call: "cuLaunchKernel", Code: code, Detail: f.Error()}, f}
	}
	return err
}

// Stats says what a device did.
type Stats struct {
	Kernels                                    map[string]*vm.Counters // by name
	BytesIn, BytesOut, BytesMoved, BytesFilled int64                   // of copies from and to the host, on the device, of fills
}

func (s *Stats) clone() Stats {
	out := *s
	out.Kernels = maps.Clone(s.Kernels)
	for name, c := range out.Kernels {
		copied := *c
		out.Kernels[name] = &copied
	}
	return out
}

// Total adds the counters of all kernels.
func (s *Stats) Total() vm.Counters {
	var out vm.Counters
	for _, c := range s.Kernels {
		out.Add(c)
	}
	return out
}
