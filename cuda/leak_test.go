package cuda

import (
	"errors"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// forgetful is a driver that does not pass on the giving back of one sort of thing.
type forgetful struct {
	*deaf
	what string
}

type forgottenModule struct{ driver.Module }

func (forgottenModule) Unload() error { return nil }

// Free implements driver.Driver, as do the others.
func (f *forgetful) Free(p driver.Ptr) error {
	if f.what == "memory" {
		return nil
	}
	return f.deaf.Free(p)
}

func (f *forgetful) FreeHost(b []byte) error {
	if f.what == "pinned memory" {
		return nil
	}
	return f.deaf.FreeHost(b)
}

func (f *forgetful) Load(text string) (driver.Module, error) {
	m, err := f.deaf.Load(text)
	if err == nil && f.what == "modules" {
		return forgottenModule{m}, nil
	}
	return m, err
}

func (f *forgetful) NewEvent() (driver.Event, error) {
	if f.what == "events" { // one more than are given back
		if _, err := f.deaf.NewEvent(); err != nil {
			return nil, err
		}
	}
	return f.deaf.NewEvent()
}

func (f *forgetful) NewStream() (driver.Stream, error) {
	if f.what == "streams" {
		if _, err := f.Driver.NewStream(); err != nil {
			return nil, err
		}
	}
	return f.deaf.NewStream()
}

// TestLeaks forgets to give back each sort of thing that programs take, in each class: the simulator finds it.
func TestLeaks(t *testing.T) {
	for _, prec := range []program.Precision{program.F32, program.BF16, program.F16} {
		for _, what := range []string{"nothing", "memory", "pinned memory", "modules", "events", "streams"} {
			dev := sim.Open(sim.Options{Seed: 3})
			e, x, err := streamed(t, &forgetful{&deaf{Driver: dev}, what}, prec)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(x.Close(), e.Close()); err != nil {
				t.Error(err)
			}
			var leak *sim.LeakError
			if err := dev.Close(); errors.As(err, &leak) != (what != "nothing") {
				t.Errorf("%v, %s not given back: found %v", prec, what, err)
			}
		}
	}
}
