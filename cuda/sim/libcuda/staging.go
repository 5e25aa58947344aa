//go:build cuda && cgo

package main

import (
	"errors"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
)

// staging is the pinned memory through which a driver copies pageable memory. cuMemcpyHtoD returns when its source lies there, before
// the device has it (CUDA driver API, "API synchronization behavior"): here the copy is left to the default stream, so
// that who relies on more is found out.
type staging struct{ busy, free [][]byte }

// copyIn starts the copy of a source that may change afterwards.
func (s *staging) copyIn(d *sim.Device, dst driver.Ptr, src []byte) error {
	if err := s.reached(d); err != nil { // a copy of pageable memory begins behind the default stream
		return err
	}
	b, err := s.take(d, len(src))
	if err != nil {
		return err
	}
	copy(b, src)
	s.busy = append(s.busy, b)
	return d.CopyIn(dst, b[:len(src)], d.DefaultStream())
}

// reached waits for the default stream.
func (s *staging) reached(d *sim.Device) error {
	err := d.DefaultStream().Synchronize()
	s.free, s.busy = append(s.free, s.busy...), nil
	return err
}

// take gives a buffer of n bytes or more.
func (s *staging) take(d *sim.Device, n int) ([]byte, error) {
	for i, b := range s.free {
		if len(b) >= n {
			s.free = append(s.free[:i], s.free[i+1:]...)
			return b, nil
		}
	}
	return d.AllocHost(max(n, 1<<16))
}

// close frees the buffers.
func (s *staging) close(d *sim.Device) error {
	errs := []error{s.reached(d)}
	for _, b := range s.free {
		errs = append(errs, d.FreeHost(b))
	}
	s.free = nil
	return errors.Join(errs...)
}
