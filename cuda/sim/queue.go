package sim

import (
	"encoding/binary"
	"strconv"
	"time"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
)

// clock holds for each stream the number of its last operation that is certain to be done.
type clock []int32

// join makes c know all that o knows.
func (c *clock) join(o clock) {
	for len(*c) < len(o) {
		*c = append(*c, 0)
	}
	for i, v := range o {
		(*c)[i] = max((*c)[i], v)
	}
}

// op is work in a stream.
type op struct {
	id     int32
	stream *stream
	run    func(o *vm.Order) error // nil for marks
	wait   *op                     // of another stream, which has to be done first
	clock  clock                   // what is done before it
	done   bool
	at     time.Time // when done
}

// opInfo is what is kept of an operation.
type opInfo struct {
	stream int32
	name   string
}

// stream is a queue of operations.
type stream struct {
	d         *Device
	index     int
	queue     []*op
	last      *op
	clock     clock
	where     string
	destroyed bool
}

// push puts work into a stream.
func (d *Device) push(s *stream, name string, run func(o *vm.Order) error) *op {
	o := &op{id: int32(len(d.ops)), stream: s, run: run}
	d.ops = append(d.ops, opInfo{int32(s.index), name})
	s.clock.join(d.host)
	o.clock.join(s.clock)
	for len(s.clock) <= s.index {
		s.clock = append(s.clock, 0)
	}
	s.clock[s.index] = o.id
	s.queue = append(s.queue, o)
	s.last = o
	return o
}

// await runs work until an operation is done; what that was certain to follow is done for the host then.
func (d *Device) await(o *op) error {
	for o != nil && !o.done {
		if err := d.step(); err != nil {
			return err
		}
	}
	if o != nil {
		d.host.join(o.clock)
		for len(d.host) <= o.stream.index {
			d.host = append(d.host, 0)
		}
		d.host[o.stream.index] = max(d.host[o.stream.index], o.id)
	}
	return nil
}

// drain runs all work.
func (d *Device) drain() error {
	for _, s := range d.streams {
		if err := d.await(s.last); err != nil {
			return err
		}
	}
	return nil
}

// step runs one operation at the head of some stream.
func (d *Device) step() error {
	var ready []*stream
	for _, s := range d.streams {
		if len(s.queue) > 0 && (s.queue[0].wait == nil || s.queue[0].wait.done) {
			ready = append(ready, s)
		}
	}
	s := ready[d.draw()%uint64(len(ready))] // one is ready: an operation waits for earlier ones alone
	o := s.queue[0]
	s.queue = s.queue[1:]
	if o.run != nil {
		order := &vm.Order{Op: o.id, Before: func(other int32) bool {
			i := int(d.ops[other].stream)
			return i == s.index || i < len(o.clock) && o.clock[i] >= other
		}, Name: func(other int32) string {
			return d.ops[other].name + " on stream " + strconv.Itoa(int(d.ops[other].stream))
		}}
		if err := o.run(order); err != nil {
			d.lost = err
			for _, s := range d.streams {
				s.queue = nil
			}
			return err
		}
	}
	o.done, o.at, o.run = true, time.Now(), nil
	return nil
}

// draw is the next number of a sequence that the seed gives (xorshift64*, Vigna 2016).
func (d *Device) draw() uint64 {
	d.rand ^= 0x9e3779b97f4a7c15 >> (d.rand & 1) // never stays zero
	d.rand ^= d.rand >> 12
	d.rand ^= d.rand << 25
	d.rand ^= d.rand >> 27
	return d.rand * 2685821657736338717 >> 33
}

// touch checks a copy's range against other streams' work.
func (d *Device) touch(o *vm.Order, call string, r *vm.Region, off, n int64, write bool) error {
	if d.options.Quick || n == 0 {
		return nil
	}
	if other := r.Touch(o, off, n, write); other != 0 {
		return d.hostFault(call, vm.StreamRace, r.Base+uint64(off), int(n), o.Name(other)+" uses it, and nothing orders the two")
	}
	return nil
}

// hostFault is a mistake that a copy found.
func (d *Device) hostFault(call string, kind vm.FaultKind, address uint64, n int, detail string) error {
	f := &vm.Fault{Kind: kind, Text: call, Space: "global", Address: address, Bytes: n, Detail: detail}
	return &faultError{&driver.Error{Call: call, Code: driver.InvalidValue, Detail: f.Error()}, f}
}

// faultError is a driver's error with the fault that made it.
type faultError struct {
	err   *driver.Error
	fault *vm.Fault
}

// Error is the driver's.
func (e *faultError) Error() string { return e.err.Error() }

// Unwrap gives both.
func (e *faultError) Unwrap() []error { return []error{e.err, e.fault} }

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func putWord(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }
