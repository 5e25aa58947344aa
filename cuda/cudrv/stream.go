//go:build cuda && cgo

package cudrv

import (
	"math"
	"time"

	"gorgonia.org/cu"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
)

// stream is a queue of work.
type stream struct {
	d         *Device
	s         cu.Stream
	destroyed bool
}

// stream finds the stream of a handle; nil is the default stream.
func (d *Device) stream(call string, s driver.Stream) (cu.Stream, error) {
	if s == nil {
		return cu.NoStream, nil
	}
	st, ok := s.(*stream)
	if !ok || st == nil || st.d != d || st.destroyed {
		return cu.NoStream, driver.Errorf(call, driver.InvalidHandle, "no stream of this device, or destroyed")
	}
	return st.s, nil
}

// NewStream is cuStreamCreate.
func (d *Device) NewStream() (driver.Stream, error) {
	s := &stream{d: d}
	err := d.do("cuStreamCreate", func() (err error) {
		s.s, err = cu.MakeStream(cu.NonBlocking)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Synchronize is cuStreamSynchronize.
func (s *stream) Synchronize() error {
	const call = "cuStreamSynchronize"
	st, err := s.d.stream(call, s)
	if err != nil {
		return err
	}
	return s.d.do(call, st.Synchronize)
}

// Wait is cuStreamWaitEvent.
func (s *stream) Wait(e driver.Event) error {
	const call = "cuStreamWaitEvent"
	st, err := s.d.stream(call, s)
	if err != nil {
		return err
	}
	ev, err := s.d.event(call, e)
	if err != nil {
		return err
	}
	return s.d.do(call, func() error { return st.Wait(ev, 0) })
}

// Destroy is cuStreamDestroy.
func (s *stream) Destroy() error {
	const call = "cuStreamDestroy"
	if _, err := s.d.stream(call, s); err != nil {
		return err
	}
	s.destroyed = true
	return s.d.do(call, s.s.Destroy)
}

// event is a mark in a stream.
type event struct {
	d         *Device
	e         cu.Event
	destroyed bool
}

func (d *Device) event(call string, e driver.Event) (cu.Event, error) {
	ev, ok := e.(*event)
	if !ok || ev == nil || ev.d != d || ev.destroyed {
		return cu.Event{}, driver.Errorf(call, driver.InvalidHandle, "no event of this device, or destroyed")
	}
	return ev.e, nil
}

// NewEvent is cuEventCreate.
func (d *Device) NewEvent() (driver.Event, error) {
	e := &event{d: d}
	err := d.do("cuEventCreate", func() (err error) {
		e.e, err = cu.MakeEvent(cu.DefaultEvent)
		return err
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Record is cuEventRecord.
func (e *event) Record(s driver.Stream) error {
	const call = "cuEventRecord"
	ev, err := e.d.event(call, e)
	if err != nil {
		return err
	}
	st, err := e.d.stream(call, s)
	if err != nil {
		return err
	}
	return e.d.do(call, func() error { return ev.Record(st) })
}

// Synchronize is cuEventSynchronize.
func (e *event) Synchronize() error {
	const call = "cuEventSynchronize"
	ev, err := e.d.event(call, e)
	if err != nil {
		return err
	}
	return e.d.do(call, ev.Synchronize)
}

// Since is cuEventElapsedTime, which knows half a microsecond.
func (e *event) Since(start driver.Event) (time.Duration, error) {
	const call = "cuEventElapsedTime"
	end, err := e.d.event(call, e)
	if err != nil {
		return 0, err
	}
	begin, err := e.d.event(call, start)
	if err != nil {
		return 0, err
	}
	var ms float64
	err = e.d.do(call, func() (err error) {
		ms, err = begin.Elapsed(end)
		return err
	})
	return time.Duration(math.Round(ms * float64(time.Millisecond))), err
}

// Destroy is cuEventDestroy.
func (e *event) Destroy() error {
	const call = "cuEventDestroy"
	if _, err := e.d.event(call, e); err != nil {
		return err
	}
	e.destroyed = true
	return e.d.do(call, func() error { return cu.DestroyEvent(&e.e) })
}
