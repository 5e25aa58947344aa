package cuda

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
)

// sixteenths are weights in fp16 from -1 to 1, each of its own.
type sixteenths map[string][]int

// Weight implements program.WeightSource.
func (s sixteenths) Weight(name string) (program.WeightData, error) {
	shape, ok := s[name]
	if !ok {
		return program.WeightData{}, fmt.Errorf("no weight %q", name)
	}
	w := program.WeightData{Type: program.WF16, Shape: shape}
	at := uint32(len(name)) + uint32(name[0])*977 + uint32(name[len(name)-1])
	for range program.Elems(shape) {
		at = at*1664525 + 1013904223
		w.Data = binary.LittleEndian.AppendUint16(w.Data, uint16(at>>16)&0x80ff|0x2c00) // magnitudes of 1/16
	}
	return w, nil
}

// Guard implements program.WeightSource.
func (sixteenths) Guard(f func() error) error { return f() }

// twoPasses is a loop of three steps that reads each of its weights twice, as self-attention guidance reads a UNet's: linear layers and a convolution.
func twoPasses(prec program.Precision) (*program.Program, sixteenths, map[string]program.Tensor) {
	const c, side = 32, 4
	b := program.NewBuilder("two passes", prec)
	src := make(sixteenths)
	weight := func(name string, shape ...int) program.ID {
		src[name] = shape
		return b.Weight(name, shape...)
	}
	linear := func(name string, x program.ID, n int) program.ID {
		return b.Product([]program.Tap{{X: x, W: weight(name, n, b.Shape(x)[3])}}, []program.ID{weight(name+" bias", n)}, program.None)
	}
	pass := func(x program.ID) program.ID {
		for i := range 5 {
			x = linear(fmt.Sprint("linear ", i), x, c)
		}
		x = linear("down", x, 8)
		x = b.Product([]program.Tap{{X: x, W: weight("conv", 8, 8, 3, 3), KH: 3, KW: 3, PadTop: 1, PadLeft: 1}}, nil, program.None)
		return linear("up", x, c)
	}
	x := b.Input("x", program.Float32, 1, side, side, c)
	before := linear("before", x, c)
	b.Loop(3)
	now := b.Carry("now", before)
	b.Next(now, b.Add(pass(pass(now)), now))
	b.EndLoop()
	b.Output("y", linear("after", now, c))
	in := make([]float32, side*side*c)
	for i := range in {
		in[i] = float32(i%17)/16 - 0.5
	}
	return program.Optimize(b.Program()), src, map[string]program.Tensor{"x": {Shape: []int{1, side, side, c}, F: in}}
}

// result is what the program gives with weights in blocks of so many bytes; 0 where they stay.
func result(t *testing.T, e *Executor, prec program.Precision, block int64) []float32 {
	t.Helper()
	e.block = block
	p, src, in := twoPasses(prec)
	x, err := e.Compile(p, program.Options{Weights: src})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	}()
	var out map[string]program.Tensor
	for range 2 { // the second run finds a block in its place
		if out, err = x.Run(context.Background(), in, program.RunOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return out["y"].F
}

// TestStreamedBits checks that weights which come and go give the bits of weights that stay, whatever the order in which the device works.
func TestStreamedBits(t *testing.T) {
	for _, prec := range []program.Precision{program.F32, program.BF16, program.F16} {
		for seed := range uint64(2) {
			e, _ := onSim(t, sim.Options{Seed: seed})
			want := result(t, e, prec, 0)
			for _, block := range []int64{1, 5 << 10} {
				if got := result(t, e, prec, block); !slices.Equal(got, want) {
					t.Errorf("%v, blocks of %d bytes, seed %d: other bits", prec, block, seed)
				}
			}
		}
	}
}

// TestStreamedCases streams the weights of cases of the suite that have several products, residuals, norms and gates.
func TestStreamedCases(t *testing.T) {
	e, _ := onSim(t, sim.Options{Seed: 5})
	for _, c := range conformance.Cases() {
		if len(c.Precisions()) < 2 || len(c.Name)%3 > 0 {
			continue
		}
		p := program.Optimize(c.Program(program.F32, 1))
		in, src := c.Inputs(p), c.Source(p)
		var want map[string]program.Tensor
		for _, block := range []int64{0, 1} {
			e.block = block
			x, err := e.Compile(p, program.Options{Weights: src})
			if err != nil {
				t.Fatal(err)
			}
			got, err := x.Run(context.Background(), in, program.RunOptions{})
			if err := errors.Join(err, x.Close()); err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			for name := range want {
				if !slices.Equal(raw(got[name].F), raw(want[name].F)) {
					t.Errorf("%s: other bits of %s", c.Name, name)
				}
			}
			want = got
		}
	}
}

// TestStreamedMemory checks that streaming takes less memory, as much as is planned, and that errors and cancelling leave all in order.
func TestStreamedMemory(t *testing.T) {
	p, src, in := twoPasses(program.F32)
	calls, fail := 0, 0
	e, d := onSim(t, sim.Options{TotalBytes: 1 << 20, Inject: func(call string) driver.Code {
		if call == "cuMemcpyHtoDAsync" || call == "cuStreamWaitEvent" {
			if calls++; calls == fail {
				return driver.Unknown
			}
		}
		return driver.Success
	}})
	all, err := e.Compile(p, program.Options{Weights: src})
	if err != nil {
		t.Fatal(err)
	}
	e.block = 1
	x, err := e.Compile(p, program.Options{Weights: src})
	if err != nil {
		t.Fatal(err)
	}
	if x.PeakBytes() >= all.PeakBytes() {
		t.Errorf("%d bytes with weights that come and go, %d with weights that stay", x.PeakBytes(), all.PeakBytes())
	}
	taken, err := d.Alloc(1<<20 - x.PeakBytes())
	if err != nil {
		t.Fatal(err)
	}
	want, err := x.Run(context.Background(), in, program.RunOptions{})
	if err != nil {
		t.Fatalf("with exactly the memory that was planned: %v", err)
	}
	for each := 1; each < calls; each += 5 {
		calls, fail = 0, each
		if _, err := x.Run(context.Background(), in, program.RunOptions{}); !errors.Is(err, driver.Unknown) {
			t.Fatalf("call %d fails: %v", each, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		if _, err := x.Run(ctx, in, program.RunOptions{OnStep: func(int, func() map[string]program.Tensor) error { cancel(); return nil }}); !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled: %v", err)
		}
		calls, fail = 0, 0
		got, err := x.Run(context.Background(), in, program.RunOptions{})
		if err != nil || !slices.Equal(got["y"].F, want["y"].F) {
			t.Fatalf("after a failure: other bits, or %v", err)
		}
	}
	if err := errors.Join(x.Close(), d.Free(taken)); err != nil {
		t.Error(err)
	}
}

// deaf is a driver one of whose streams does not wait for events.
type deaf struct {
	driver.Driver
	stream  int // counted from 1
	streams int
}

type deafStream struct {
	driver.Stream
	deaf bool
}

type deafEvent struct{ driver.Event }

// Wait implements driver.Stream.
func (s deafStream) Wait(e driver.Event) error {
	if s.deaf {
		return nil
	}
	return s.Stream.Wait(e.(deafEvent).Event)
}

// Record implements driver.Event.
func (e deafEvent) Record(s driver.Stream) error { return e.Event.Record(under(s)) }

// under is the stream of the driver below.
func under(s driver.Stream) driver.Stream {
	if d, ok := s.(deafStream); ok {
		return d.Stream
	}
	return s
}

// NewStream implements driver.Driver, as do the others.
func (d *deaf) NewStream() (driver.Stream, error) {
	s, err := d.Driver.NewStream()
	d.streams++
	return deafStream{s, d.streams == d.stream}, err
}

func (d *deaf) NewEvent() (driver.Event, error) {
	e, err := d.Driver.NewEvent()
	return deafEvent{e}, err
}

func (d *deaf) CopyIn(dst driver.Ptr, src []byte, s driver.Stream) error {
	return d.Driver.CopyIn(dst, src, under(s))
}

func (d *deaf) Copy(dst, src driver.Ptr, bytes int64, s driver.Stream) error {
	return d.Driver.Copy(dst, src, bytes, under(s))
}

func (d *deaf) Launch(f driver.Function, grid, block driver.Dim, shared int, s driver.Stream, args []uint64) error {
	return d.Driver.Launch(f, grid, block, shared, under(s), args)
}

// streamed runs two passes with weights that are streamed block by block: it gives the executor, the program and how the run ended.
func streamed(t *testing.T, d driver.Driver, prec program.Precision) (*Executor, program.Exec, error) {
	t.Helper()
	e, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	e.block = 1
	p, src, in := twoPasses(prec)
	x, err := e.Compile(p, program.Options{Weights: src})
	if err != nil {
		t.Fatal(err)
	}
	_, err = x.Run(context.Background(), in, program.RunOptions{})
	return e, x, err
}

// TestUnsynchronisedStreaming leaves each of the waits out: the simulator finds it.
func TestUnsynchronisedStreaming(t *testing.T) {
	for stream, what := range map[int]string{0: "all wait", 1: "kernels do not wait for weights", 2: "weights do not wait for kernels"} {
		for _, prec := range []program.Precision{program.F32, program.BF16, program.F16} {
			dev := sim.Open(sim.Options{Seed: 3})
			e, x, err := streamed(t, &deaf{Driver: dev, stream: stream}, prec)
			var f *vm.Fault
			if found := errors.As(err, &f); found != (stream > 0) {
				t.Errorf("%s, %v: found %v", what, prec, err)
			}
			_, _, _ = x.Close(), e.Close(), dev.Close()
		}
	}
}
