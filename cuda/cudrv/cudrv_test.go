//go:build cuda && cgo

package cudrv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
)

// open opens the device and closes it at the test's end. Tests are skipped where there is none, unless FLOW_TEST_CUDA is set.
func open(t *testing.T) driver.Driver {
	t.Helper()
	d, err := Open()
	if err != nil {
		if os.Getenv("FLOW_TEST_CUDA") == "" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := d.Synchronize(); !errors.Is(err, driver.Deinitialized) {
			t.Errorf("a call after Close: %v", err)
		}
	})
	return d
}

// TestConformance runs the suite of executors on the device: the bits are the CPU's.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("two minutes where the device is simulated")
	}
	d := open(t)
	t.Logf("%+v", d.Info())
	e, err := cuda.New(d)
	if err != nil {
		t.Fatal(err)
	}
	conformance.RunAll(t, e, conformance.Options{SameAs: cpu.New()})
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// add is y[i] += k for n words, with a parameter of each size that kernels have.
const add = `
.version 7.0
.target sm_80
.address_size 64
.visible .entry add(.param .u64 y, .param .u32 k, .param .u64 n)
{
	.reg .pred %p;
	.reg .b32 %r<6>;
	.reg .b64 %rd<6>;
	ld.param.u64 %rd1, [y];
	ld.param.u32 %r1, [k];
	ld.param.u64 %rd2, [n];
	mov.u32 %r2, %ctaid.x;
	mov.u32 %r3, %tid.x;
	mad.lo.s32 %r4, %r2, 32, %r3;
	cvt.u64.u32 %rd3, %r4;
	setp.ge.u64 %p, %rd3, %rd2;
	@%p ret;
	shl.b64 %rd4, %rd3, 2;
	add.u64 %rd4, %rd4, %rd1;
	ld.global.u32 %r5, [%rd4];
	add.u32 %r5, %r5, %r1;
	st.global.u32 [%rd4], %r5;
	ret;
}`

func ok[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// kernel loads a text and gives its kernel.
func kernel(t *testing.T, d driver.Driver) driver.Function {
	t.Helper()
	m := ok[driver.Module](t)(d.Load(add))
	t.Cleanup(func() {
		if err := m.Unload(); err != nil {
			t.Error(err)
		}
	})
	return ok[driver.Function](t)(m.Function("add"))
}

// TestCalls makes every call once, on two streams with an event between.
func TestCalls(t *testing.T) {
	d := open(t)
	f := kernel(t, d)
	const n = 100
	for _, a := range []driver.FunctionAttribute{driver.FunctionMaxThreads, driver.FunctionLocalBytes, driver.FunctionMaxDynamic} {
		t.Logf("attribute %d of %s: %d", a, f.Name(), ok[int](t)(f.Attribute(a)))
	}
	if err := f.AllowShared(64 << 10); err != nil {
		t.Fatal(err)
	}
	if got := ok[int](t)(f.Attribute(driver.FunctionMaxDynamic)); got != 64<<10 {
		t.Errorf("%d bytes of shared memory were allowed", got)
	}
	free, total, err := d.MemInfo()
	if err != nil || free <= 0 || total < free || total != d.Info().TotalBytes {
		t.Errorf("%d of %d bytes free, %v, where the device has %d", free, total, err, d.Info().TotalBytes)
	}
	if got := ok[int](t)(d.Attribute(driver.Processors)); got != d.Info().Processors || got <= 0 {
		t.Errorf("%d processors, %+v", got, d.Info())
	}
	p, q := ok[driver.Ptr](t)(d.Alloc(4*n)), ok[driver.Ptr](t)(d.Alloc(4*n))
	in, out := ok[[]byte](t)(d.AllocHost(4*n)), ok[[]byte](t)(d.AllocHost(4*n))
	one, two := ok[driver.Stream](t)(d.NewStream()), ok[driver.Stream](t)(d.NewStream())
	begin, end := ok[driver.Event](t)(d.NewEvent()), ok[driver.Event](t)(d.NewEvent())
	for i := range n {
		binary.LittleEndian.PutUint32(in[4*i:], uint32(i))
	}
	launch := func(to driver.Ptr, words uint64, s driver.Stream) error {
		return d.Launch(f, driver.D1(4), driver.D1(32), 60<<10, s, []uint64{uint64(to), 7, words})
	}
	for _, err := range []error{
		begin.Record(one), d.Fill(p, 1000, n, one), launch(p, n/2, one), end.Record(one), two.Wait(end),
		d.CopyIn(q, in, two), launch(q, n, two), d.Copy(q, p, 4, two), d.CopyOut(out, q, two), two.Synchronize(), end.Synchronize(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		want := uint32(i + 7)
		if i == 0 {
			want = 1007
		}
		if got := binary.LittleEndian.Uint32(out[4*i:]); got != want {
			t.Fatalf("word %d is %d, want %d", i, got, want)
		}
	}
	if took, err := end.Since(begin); err != nil || took < 0 {
		t.Errorf("%v, %v between two events", took, err)
	}
	if err := errors.Join(begin.Destroy(), end.Destroy(), one.Destroy(), two.Destroy(), d.FreeHost(in), d.FreeHost(out), d.Free(p), d.Free(q)); err != nil {
		t.Error(err)
	}
	if err := two.Synchronize(); !errors.Is(err, driver.InvalidHandle) {
		t.Errorf("a stream that was destroyed: %v", err)
	}
}

// TestPageableCopy: what a copy on the nil stream has read is on the device when it returns, for work of every stream.
func TestPageableCopy(t *testing.T) {
	d := open(t)
	f := kernel(t, d)
	s := ok[driver.Stream](t)(d.NewStream())
	p := ok[driver.Ptr](t)(d.Alloc(4))
	src, out := []byte{1, 2, 3, 4}, make([]byte, 4)
	err := d.CopyIn(p, src, nil)
	clear(src)
	err = errors.Join(err, d.Launch(f, driver.D1(1), driver.D1(32), 0, s, []uint64{uint64(p), 1, 1}), s.Synchronize(), d.CopyOut(out, p, nil))
	if want := []byte{2, 2, 3, 4}; err != nil || !bytes.Equal(out, want) {
		t.Errorf("%v, %v; want %v", out, err, want)
	}
	if err := errors.Join(s.Destroy(), d.Free(p)); err != nil {
		t.Error(err)
	}
}

// TestRefused: mistakes of a caller are errors, with a code and what is known.
func TestRefused(t *testing.T) {
	d := open(t)
	f := kernel(t, d)
	s := ok[driver.Stream](t)(d.NewStream())
	p := ok[driver.Ptr](t)(d.Alloc(64))
	b := ok[[]byte](t)(d.AllocHost(64))
	_, badText := d.Load(strings.Replace(add, "shl.b64", "shl.b63", 1))
	_, tooMuch := d.Alloc(1 << 50)
	_, nothing := d.Alloc(0)
	for name, x := range map[string]struct {
		err  error
		code driver.Code
	}{
		"a copy of Go's memory on a stream":  {d.CopyIn(p, make([]byte, 8), s), driver.InvalidValue},
		"a copy to Go's memory on a stream":  {d.CopyOut(make([]byte, 8), p, s), driver.InvalidValue},
		"a copy beyond pinned memory":        {d.CopyIn(p, append(b[60:64:64], 0), s), driver.InvalidValue},
		"ranges that overlap":                {d.Copy(p, p+8, 16, s), driver.InvalidValue},
		"a fill of half words":               {d.Fill(p+2, 0, 1, s), driver.InvalidValue},
		"a part of pinned memory":            {d.FreeHost(b[:8]), driver.InvalidValue},
		"memory that was never allocated":    {d.Free(p + 8), driver.InvalidValue},
		"a text with a mistake":              {badText, driver.InvalidPTX},
		"more memory than there is":          {tooMuch, driver.OutOfMemory},
		"no memory":                          {nothing, driver.InvalidValue},
		"a block that is too large":          {d.Launch(f, driver.D1(1), driver.D1(2048), 0, s, []uint64{0, 0, 0}), driver.InvalidValue},
		"a kernel of none":                   {d.Launch(nil, driver.D1(1), driver.D1(1), 0, s, nil), driver.InvalidHandle},
		"shared memory beyond the device's":  {f.AllowShared(1 << 20), driver.InvalidValue},
		"shared memory that was not allowed": {d.Launch(f, driver.D1(1), driver.D1(32), 100<<10, s, []uint64{0, 0, 0}), driver.InvalidValue},
	} {
		if !errors.Is(x.err, x.code) {
			t.Errorf("%s: %v, want %v", name, x.err, x.code)
		}
	}
	var e *driver.Error
	if !errors.As(badText, &e) || !strings.Contains(e.Detail, "shl.b63") {
		t.Errorf("the compiler's log is lost: %v", badText)
	}
	if err := errors.Join(s.Destroy(), d.FreeHost(b), d.Free(p)); err != nil {
		t.Error(err)
	}
}

// TestGoroutines makes calls from many goroutines, whose threads come and go.
func TestGoroutines(t *testing.T) {
	d := open(t)
	f := kernel(t, d)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			s, err := d.NewStream()
			if err != nil {
				t.Error(err)
				return
			}
			p, err := d.Alloc(4)
			err = errors.Join(err, d.Fill(p, uint32(g), 1, s))
			for range 50 {
				err = errors.Join(err, d.Launch(f, driver.D1(1), driver.D1(32), 0, s, []uint64{uint64(p), 1, 1}))
			}
			out := make([]byte, 4)
			err = errors.Join(err, s.Synchronize(), d.CopyOut(out, p, nil), d.Free(p), s.Destroy())
			if got := binary.LittleEndian.Uint32(out); err != nil || got != uint32(g)+50 {
				t.Errorf("goroutine %d has %d, %v", g, got, err)
			}
		})
	}
	wg.Wait()
}
