package sim

import (
	"errors"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
)

// TestInjected makes each call of a whole run fail once.
func TestInjected(t *testing.T) {
	for _, c := range []struct {
		call string
		code driver.Code
	}{
		{"cuMemcpyHtoDAsync", driver.Unknown}, {"cuEventRecord", driver.Unknown}, {"cuStreamWaitEvent", driver.InvalidHandle},
		{"cuLaunchKernel", driver.LaunchOutOfResources}, {"kernel reverse", driver.LaunchFailed}, {"cuMemcpyDtoHAsync", driver.Unknown},
		{"cuCtxSynchronize", driver.ECCUncorrectable},
	} {
		r := newRig(t, reverse, Options{Inject: Nth(c.call, 1, c.code)})
		err := func() error {
			if err := r.d.CopyIn(r.x, r.in, r.other); err != nil {
				return err
			}
			if err := errors.Join(r.e.Record(r.other), r.s.Wait(r.e)); err != nil {
				return err
			}
			if err := r.d.Launch(r.f, driver.D1(2), driver.D1(64), 0, r.s, []uint64{uint64(r.x), uint64(r.y), 128}); err != nil {
				return err
			}
			if err := r.d.CopyOut(r.out, r.y, r.s); err != nil {
				return err
			}
			return r.d.Synchronize()
		}()
		if !errors.Is(err, c.code) {
			t.Errorf("%s: %v, want %v", c.call, err, c.code)
		}
		_, later := r.d.Alloc(1)
		if lost := c.code == driver.LaunchFailed || c.code == driver.LaunchOutOfResources || c.code == driver.ECCUncorrectable; lost != (later != nil) {
			t.Errorf("%s: a later call gives %v", c.call, later)
		}
	}
}

func TestOutOfMemory(t *testing.T) {
	d := Open(Options{TotalBytes: 1000})
	p := ok[driver.Ptr](t)(d.Alloc(600))
	if _, err := d.Alloc(600); !errors.Is(err, driver.OutOfMemory) {
		t.Errorf("%v, want out of memory", err)
	}
	if free, total, err := d.MemInfo(); free != 400 || total != 1000 || err != nil {
		t.Errorf("%d of %d free, %v", free, total, err)
	}
	if err := d.Free(p); err != nil {
		t.Fatal(err)
	}
	if err := d.Free(p); !errors.Is(err, driver.InvalidValue) {
		t.Errorf("freed twice: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Alloc(1); !errors.Is(err, driver.Deinitialized) {
		t.Errorf("after Close: %v", err)
	}
}

// TestRefused gives calls arguments that a driver refuses.
func TestRefused(t *testing.T) {
	r := newRig(t, reverse, Options{})
	launch := func(grid, block driver.Dim, shared int, args ...uint64) error {
		return r.d.Launch(r.f, grid, block, shared, r.s, args)
	}
	for name, err := range map[string]error{
		"copy past the end":      r.d.CopyIn(r.x+4, r.in, r.s),
		"copy of plain memory":   r.d.CopyIn(r.x, make([]byte, 16), r.s),
		"overlapping copy":       r.d.Copy(r.x, r.x+4, 100, r.s),
		"misaligned fill":        r.d.Fill(r.x+2, 0, 1, r.s),
		"a block too large":      launch(driver.D1(1), driver.D1(128), 0, 0, 0, 0),
		"no blocks":              launch(driver.D1(0), driver.D1(64), 0, 0, 0, 0),
		"an argument missing":    launch(driver.D1(1), driver.D1(64), 0, 0, 0),
		"too much shared memory": launch(driver.D1(1), driver.D1(64), 48<<10, 0, 0, 0),
		"freed host slice":       r.d.FreeHost(r.in[1:]),
	} {
		if !errors.Is(err, driver.InvalidValue) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.d.Load("nonsense"); !errors.Is(err, driver.InvalidPTX) {
		t.Errorf("nonsense was loaded: %v", err)
	}
	if _, err := r.m.Function("nothing"); !errors.Is(err, driver.NotFound) {
		t.Errorf("a kernel that is not there: %v", err)
	}
}

func TestStats(t *testing.T) {
	r, err := body{n: 128, grid: 2}.run(t, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := r.d.Stats()
	c := s.Kernels["reverse"]
	if s.BytesIn != 512 || s.BytesOut != 512 || c == nil {
		t.Fatalf("%+v", s)
	}
	if c.Blocks != 2 || c.GlobalLoad.Bytes != 512 || c.GlobalLoad.Units != 16 || c.GlobalStore.Units != 16 || c.SharedStore.Units != 4 || c.SharedLoad.Units != 4 {
		t.Errorf("%+v", c)
	}
}
