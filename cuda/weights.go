package cuda

import (
	"context"
	"encoding/binary"
	"errors"
	"math"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// listWeights decides in which forms the weights lie on the device.
func (x *exec) listWeights(weights []program.WeightData) {
	x.panels = make(map[panelKey]int)
	place := func(id program.ID, index []int, widen bool) {
		w := weights[id]
		if index[id] != 0 || w.Shape == nil {
			return
		}
		s := stored{data: w, kind: w.Type, taps: 1, widen: widen, scale: 1}
		if widen || w.Type == program.WF64 {
			s.kind = program.WF32
		}
		if !widen && len(w.Shape) == 4 {
			s.taps = w.Shape[2] * w.Shape[3]
		}
		s.bytes = int64(program.Elems(w.Shape)) * int64(s.kind.Size())
		x.stored = append(x.stored, s)
		index[id] = len(x.stored)
	}
	for _, o := range x.p.Outputs {
		place(o.Value, x.vector, true)
	}
	for _, c := range x.p.Carries {
		place(c.Init, x.vector, true)
	}
	for i := range x.p.Instrs {
		in := &x.p.Instrs[i]
		if product16(in) != nil {
			x.listPanels(in, weights)
		}
		matrices := matricesOf(in)
		for k, id := range in.In {
			if id == program.None || x.p.Value(id).Origin != program.FromWeight {
				continue
			}
			switch {
			case !matrices[k]:
				place(id, x.vector, true)
			case product16(in) == nil:
				place(id, x.matrix, false)
			}
		}
	}
}

// placeWeights gives weights their places; it gives the size of all.
func (x *exec) placeWeights() (bytes int64) {
	for i := range x.stored {
		if !x.streamed(i) {
			x.stored[i].at, bytes = bytes, up(bytes+x.stored[i].bytes, align)
		}
	}
	if x.streaming != nil {
		bytes = x.streaming.place(bytes)
	}
	return bytes
}

// place is where weight i lies for the instruction that is being made.
func (x *exec) place(i int) driver.Ptr {
	at := x.stored[i].at
	if x.streamed(i) {
		at = x.streaming.at(x.instr, i)
	}
	return x.base + driver.Ptr(x.weightsAt+at)
}

// matricesOf says which operands of an instruction are read as weights lie in files; others become fp32.
func matricesOf(in *program.Instr) map[int]bool {
	out := make(map[int]bool)
	switch op := in.Op.(type) {
	case *program.Product:
		for _, s := range op.Segments {
			out[s.W] = true
		}
	case *program.Embed:
		out[1], out[2] = true, true
	}
	return out
}

// weight is where a matrix lies and its type there.
func (x *exec) weight(id program.ID) (driver.Ptr, program.WeightType) {
	i := x.matrix[id] - 1
	return x.place(i), x.stored[i].kind
}

// staged is how many bytes of a weight come by another place than its own; 0 for none.
func (s *stored) staged() int64 {
	if s.panel != nil || s.taps > 1 {
		return int64(program.Elems(s.data.Shape)) * int64(s.kind.Size())
	}
	return 0
}

// largestStaged is the size of the largest weight that is turned or rounded on the device, of those that come in each step or of the others.
func (x *exec) largestStaged(streamed bool) (most int64) {
	for i := range x.stored {
		if x.streamed(i) == streamed {
			most = max(most, x.stored[i].staged())
		}
	}
	return most
}

// pinnedBytes is the size of each of the two buffers through which weights go.
const pinnedBytes = 8 << 20

// uploader copies host data to the device through two pinned buffers, of which one is filled while the other is read.
type uploader struct {
	d       driver.Driver
	stream  driver.Stream
	staging driver.Ptr // where weights lie that are turned or rounded on the device
	buf     [2][]byte
	done    [2]driver.Event
	busy    [2]bool
	next    int
}

func newUploader(d driver.Driver, s driver.Stream, staging driver.Ptr) (u *uploader, err error) {
	u = &uploader{d: d, stream: s, staging: staging}
	for i := range u.buf {
		if u.buf[i], err = d.AllocHost(pinnedBytes); err != nil {
			return nil, errors.Join(err, u.close())
		}
		if u.done[i], err = d.NewEvent(); err != nil {
			return nil, errors.Join(err, u.close())
		}
	}
	return u, nil
}

// close waits for what is under way and frees the buffers.
func (u *uploader) close() error {
	errs := []error{u.stream.Synchronize()}
	for i := range u.buf {
		if u.done[i] != nil {
			errs = append(errs, u.done[i].Destroy())
		}
		if u.buf[i] != nil {
			errs = append(errs, u.d.FreeHost(u.buf[i]))
		}
	}
	return errors.Join(errs...)
}

// put copies n bytes to the device, which fill writes stretch by stretch: at most pinnedBytes from offset at on.
func (u *uploader) put(dst driver.Ptr, n int64, fill func(b []byte, at int64)) error {
	for at := int64(0); at < n; at += pinnedBytes {
		i := u.next
		u.next = 1 - i
		if u.busy[i] {
			if err := u.done[i].Synchronize(); err != nil {
				return err
			}
		}
		b := u.buf[i][:min(pinnedBytes, n-at)]
		fill(b, at)
		if err := errors.Join(u.d.CopyIn(dst+driver.Ptr(at), b, u.stream), u.done[i].Record(u.stream)); err != nil {
			return err
		}
		u.busy[i] = true
	}
	return nil
}

// upload brings tables to the device, and weights that stay there: what is turned or rounded goes first where values will lie.
func (x *exec) upload(ctx context.Context) (err error) {
	u, err := newUploader(x.e.d, x.stream, x.base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.close()) }()
	return x.guard(func() error {
		for i := range x.stored {
			if x.streamed(i) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := x.put(u, &x.stored[i], x.place(i)); err != nil {
				return err
			}
		}
		tables := x.tables.Bytes()
		return u.put(x.base+driver.Ptr(x.tablesAt), int64(len(tables)), func(b []byte, at int64) { copy(b, tables[at:]) })
	})
}

// put uploads one weight. Convolutions and panels are made on the device of what was staged.
func (x *exec) put(u *uploader, s *stored, to driver.Ptr) error {
	n := s.staged()
	if n == 0 {
		return u.put(to, s.bytes, s.fill)
	}
	if err := u.put(u.staging, n, s.fill); err != nil {
		return err
	}
	if s.panel != nil {
		return x.pack(s, to, u.staging)(u.stream)
	}
	return x.turn(s, to, u.staging)(u.stream)
}

// turn makes a convolution's weight [N,taps,C] from where it was staged.
func (x *exec) turn(s *stored, to, from driver.Ptr) call {
	n := int(s.bytes) / s.kind.Size()
	kernel := map[int]string{2: "taps_first_2", 4: "taps_first_4"}[s.kind.Size()]
	return x.callEach(kernel, n, 1, to, from, n, s.data.Shape[1], s.taps)
}

// fill writes bytes of the weight as it lies on the device, from offset at on.
func (s *stored) fill(b []byte, at int64) {
	if s.kind == s.data.Type && s.scale == 1 {
		copy(b, s.data.Data[at:])
		return
	}
	for i := 0; i < len(b); i += 4 {
		binary.LittleEndian.PutUint32(b[i:], math.Float32bits(s.scale*element(&s.data, int(at/4)+i/4)))
	}
}

// element widens one element of a weight; float64 is rounded once.
func element(w *program.WeightData, i int) float32 {
	switch w.Type {
	case program.WF16:
		return numeric.FromF16(binary.LittleEndian.Uint16(w.Data[2*i:]))
	case program.WBF16:
		return numeric.FromBF16(binary.LittleEndian.Uint16(w.Data[2*i:]))
	case program.WF64:
		return float32(math.Float64frombits(binary.LittleEndian.Uint64(w.Data[8*i:])))
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(w.Data[4*i:]))
}
