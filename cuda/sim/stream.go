package sim

import (
	"time"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
)

// stream finds the stream of a handle; nil is the default stream.
func (d *Device) stream(call string, s driver.Stream) (*stream, error) {
	if s == nil {
		return d.streams[0], nil
	}
	st, ok := s.(*stream)
	if !ok || st == nil || st.d != d || st.destroyed {
		return nil, driver.Errorf(call, driver.InvalidHandle, "no stream of this device, or destroyed")
	}
	return st, nil
}

// DefaultStream is the default stream as a handle: what is given to it so does not wait, which the calls with a nil stream do that copy
// from and to the host.
func (d *Device) DefaultStream() driver.Stream { return d.streams[0] }

// NewStream is cuStreamCreate.
func (d *Device) NewStream() (driver.Stream, error) {
	err := d.enter("cuStreamCreate")
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s := &stream{d: d, index: len(d.streams), where: caller()}
	d.streams = append(d.streams, s)
	return s, nil
}

// Synchronize is cuStreamSynchronize.
func (s *stream) Synchronize() error {
	err := s.d.enter("cuStreamSynchronize")
	defer s.d.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err = s.d.stream("cuStreamSynchronize", s); err != nil {
		return err
	}
	return s.d.await(s.last)
}

// Wait is cuStreamWaitEvent.
func (s *stream) Wait(e driver.Event) error {
	const call = "cuStreamWaitEvent"
	err := s.d.enter(call)
	defer s.d.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err = s.d.stream(call, s); err != nil {
		return err
	}
	ev, err := s.d.event(call, e)
	if err != nil || ev.mark == nil {
		return err
	}
	s.clock.join(ev.mark.clock)
	for len(s.clock) <= ev.mark.stream.index {
		s.clock = append(s.clock, 0)
	}
	s.clock[ev.mark.stream.index] = max(s.clock[ev.mark.stream.index], ev.mark.id)
	s.d.push(s, call, nil).wait = ev.mark
	return nil
}

// Destroy is cuStreamDestroy.
func (s *stream) Destroy() error {
	err := s.d.enter("cuStreamDestroy")
	defer s.d.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err = s.d.stream("cuStreamDestroy", s); err != nil {
		return err
	}
	s.destroyed = true
	return nil
}

// event is a mark: the operation that recorded it last.
type event struct {
	d    *Device
	mark *op
}

func (d *Device) event(call string, e driver.Event) (*event, error) {
	ev, ok := e.(*event)
	if !ok || ev == nil || ev.d != d {
		return nil, driver.Errorf(call, driver.InvalidHandle, "no event of this device")
	}
	if _, ok := d.events[ev]; !ok {
		return nil, driver.Errorf(call, driver.InvalidHandle, "the event is destroyed")
	}
	return ev, nil
}

// NewEvent is cuEventCreate.
func (d *Device) NewEvent() (driver.Event, error) {
	err := d.enter("cuEventCreate")
	defer d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	e := &event{d: d}
	d.events[e] = caller()
	return e, nil
}

// Record is cuEventRecord.
func (e *event) Record(s driver.Stream) error {
	const call = "cuEventRecord"
	err := e.d.enter(call)
	defer e.d.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err = e.d.event(call, e); err != nil {
		return err
	}
	st, err := e.d.stream(call, s)
	if err != nil {
		return err
	}
	e.mark = e.d.push(st, call, nil)
	return nil
}

// Synchronize is cuEventSynchronize.
func (e *event) Synchronize() error {
	const call = "cuEventSynchronize"
	err := e.d.enter(call)
	defer e.d.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err = e.d.event(call, e); err != nil {
		return err
	}
	return e.d.await(e.mark)
}

// Since is cuEventElapsedTime: time of the simulation.
func (e *event) Since(start driver.Event) (time.Duration, error) {
	const call = "cuEventElapsedTime"
	err := e.d.enter(call)
	defer e.d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	s, err := e.d.event(call, start)
	if err != nil {
		return 0, err
	}
	if _, err = e.d.event(call, e); err != nil {
		return 0, err
	}
	if e.mark == nil || s.mark == nil {
		return 0, driver.Errorf(call, driver.InvalidHandle, "the event was not recorded")
	}
	if !e.mark.done || !s.mark.done {
		return 0, driver.Errorf(call, driver.NotReady, "synchronise the event first")
	}
	return e.mark.at.Sub(s.mark.at), nil
}

// Destroy is cuEventDestroy.
func (e *event) Destroy() error {
	err := e.d.enter("cuEventDestroy")
	defer e.d.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err = e.d.event("cuEventDestroy", e); err != nil {
		return err
	}
	delete(e.d.events, e)
	return nil
}
