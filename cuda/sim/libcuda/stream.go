//go:build cuda && cgo

package main

/*
#include <stdint.h>
*/
import "C"

import (
	"time"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
)

const nonBlocking = 1 // CU_STREAM_NON_BLOCKING

// onStream makes a call that has a stream; 0 is the default stream.
func onStream(h C.uintptr_t, f func(d *sim.Device, s driver.Stream) error) C.int {
	return call(func(d *sim.Device) error {
		if h == 0 {
			return f(d, d.DefaultStream())
		}
		s, err := object[driver.Stream](uintptr(h))
		if err != nil {
			return err
		}
		return f(d, s)
	})
}

//export cuStreamCreate
func cuStreamCreate(s *C.uintptr_t, flags C.uint) C.int {
	return call(func(d *sim.Device) error {
		if flags != nonBlocking {
			return driver.Errorf("cuStreamCreate", driver.NotSupported, "flags %d: streams are simulated as CU_STREAM_NON_BLOCKING", flags)
		}
		made, err := d.NewStream()
		if err == nil {
			*s = C.uintptr_t(handle(made))
		}
		return err
	})
}

//export cuStreamDestroy_v2
func cuStreamDestroy_v2(h C.uintptr_t) C.int {
	return call(func(*sim.Device) error {
		s, err := object[driver.Stream](uintptr(h))
		if err != nil {
			return err
		}
		forget(uintptr(h))
		return s.Destroy()
	})
}

//export cuStreamSynchronize
func cuStreamSynchronize(h C.uintptr_t) C.int {
	return onStream(h, func(d *sim.Device, s driver.Stream) error {
		if h == 0 {
			state.Lock()
			defer state.Unlock()
			return state.staged.reached(d)
		}
		return s.Synchronize()
	})
}

//export cuStreamWaitEvent
func cuStreamWaitEvent(h, event C.uintptr_t, flags C.uint) C.int {
	return onStream(h, func(_ *sim.Device, s driver.Stream) error {
		e, err := object[driver.Event](uintptr(event))
		if err != nil {
			return err
		}
		return s.Wait(e)
	})
}

//export cuEventCreate
func cuEventCreate(event *C.uintptr_t, flags C.uint) C.int {
	return call(func(d *sim.Device) error {
		e, err := d.NewEvent()
		if err == nil {
			*event = C.uintptr_t(handle(e))
		}
		return err
	})
}

//export cuEventDestroy_v2
func cuEventDestroy_v2(h C.uintptr_t) C.int {
	return call(func(*sim.Device) error {
		e, err := object[driver.Event](uintptr(h))
		if err != nil {
			return err
		}
		forget(uintptr(h))
		return e.Destroy()
	})
}

//export cuEventRecord
func cuEventRecord(h, stream C.uintptr_t) C.int {
	return onStream(stream, func(_ *sim.Device, s driver.Stream) error {
		e, err := object[driver.Event](uintptr(h))
		if err != nil {
			return err
		}
		return e.Record(s)
	})
}

//export cuEventSynchronize
func cuEventSynchronize(h C.uintptr_t) C.int {
	return call(func(*sim.Device) error {
		e, err := object[driver.Event](uintptr(h))
		if err != nil {
			return err
		}
		return e.Synchronize()
	})
}

//export cuEventElapsedTime
func cuEventElapsedTime(ms *C.float, start, end C.uintptr_t) C.int {
	return call(func(*sim.Device) error {
		from, err := object[driver.Event](uintptr(start))
		if err != nil {
			return err
		}
		to, err := object[driver.Event](uintptr(end))
		if err != nil {
			return err
		}
		d, err := to.Since(from)
		*ms = C.float(float64(d) / float64(time.Millisecond))
		return err
	})
}

// cuEventElapsedTime_v2 is what the headers of CUDA 13 name so.
//
//export cuEventElapsedTime_v2
func cuEventElapsedTime_v2(ms *C.float, start, end C.uintptr_t) C.int {
	return cuEventElapsedTime(ms, start, end)
}
