//go:build cuda && cgo

package cudrv

import (
	"runtime"
	"sync"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
)

// Device is an open device with its primary context.
type Device struct {
	dev  cu.Device
	ctx  cu.CUContext
	info driver.Info

	mu     sync.RWMutex // held for reading by every call, so that Close waits for them
	closed bool

	hostMu sync.Mutex
	host   map[unsafe.Pointer]int // bytes of pinned memory by its beginning
}

// Open opens the first device that libcuda shows (CUDA_VISIBLE_DEVICES hides and orders them): cuInit, cuDeviceGet,
// cuDevicePrimaryCtxRetain. Its error is a *driver.Error: SharedObjectInitFailed without libcuda.so.1, NoDevice
// without a device, NoBinaryForGPU for one that is older than compute capability 8.0.
func Open() (driver.Driver, error) {
	if err := load(); err != nil {
		return nil, err
	}
	n, err := cu.NumDevices()
	if err != nil {
		return nil, failed("cuDeviceGetCount", err)
	}
	if n == 0 {
		return nil, &driver.Error{Call: "cuDeviceGetCount", Code: driver.NoDevice}
	}
	dev, err := cu.GetDevice(0)
	if err != nil {
		return nil, failed("cuDeviceGet", err)
	}
	d := &Device{dev: dev, host: make(map[unsafe.Pointer]int)}
	if err := d.describe(); err != nil {
		return nil, err
	}
	if d.info.Major < 8 {
		return nil, driver.Errorf("cuDeviceGetAttribute", driver.NoBinaryForGPU, "%s has %d.%d", d.info.Name, d.info.Major, d.info.Minor)
	}
	if d.ctx, err = dev.RetainPrimaryCtx(); err != nil {
		return nil, failed("cuDevicePrimaryCtxRetain", err)
	}
	return d, nil
}

// describe asks the driver what the device is.
func (d *Device) describe() (err error) {
	if d.info.Name, err = d.dev.Name(); err != nil {
		return failed("cuDeviceGetName", err)
	}
	if d.info.TotalBytes, err = d.dev.TotalMem(); err != nil {
		return failed("cuDeviceTotalMem", err)
	}
	d.info.Driver = cu.Version()
	d.info.Simulated = d.info.Name == driver.SimulatedName
	for attribute, to := range map[driver.Attribute]*int{driver.CapabilityMajor: &d.info.Major, driver.CapabilityMinor: &d.info.Minor,
		driver.Processors: &d.info.Processors, driver.WarpSize: &d.info.WarpSize} {
		if *to, err = d.dev.Attribute(cu.DeviceAttribute(attribute)); err != nil {
			return failed("cuDeviceGetAttribute", err)
		}
	}
	return nil
}

// do makes a call on a thread where the context is current. f gives the result of gorgonia.org/cu.
func (d *Device) do(call string, f func() error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return &driver.Error{Call: call, Code: driver.Deinitialized}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cu.SetCurrentContext(d.ctx); err != nil {
		return failed("cuCtxSetCurrent", err)
	}
	return failed(call, f())
}

// Info implements driver.Driver.
func (d *Device) Info() driver.Info { return d.info }

// Attribute is cuDeviceGetAttribute.
func (d *Device) Attribute(a driver.Attribute) (v int, err error) {
	err = d.do("cuDeviceGetAttribute", func() (err error) {
		v, err = d.dev.Attribute(cu.DeviceAttribute(a))
		return err
	})
	return v, err
}

// MemInfo is cuMemGetInfo.
func (d *Device) MemInfo() (free, total int64, err error) {
	err = d.do("cuMemGetInfo", func() (err error) {
		free, total, err = cu.MemInfo()
		return err
	})
	return free, total, err
}

// Synchronize is cuCtxSynchronize.
func (d *Device) Synchronize() error { return d.do("cuCtxSynchronize", cu.Synchronize) }

// Close is cuDevicePrimaryCtxRelease: what was not given back goes with the context.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	const call = "cuDevicePrimaryCtxRelease"
	if d.closed {
		return &driver.Error{Call: call, Code: driver.Deinitialized}
	}
	d.closed = true
	return failed(call, d.dev.ReleasePrimaryCtx())
}

var _ driver.Driver = (*Device)(nil)
