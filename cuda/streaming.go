package cuda

import (
	"context"
	"errors"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// blockBytes is what the weights of a block take, unless one instruction's are more. Two blocks are on the device at a time.
const blockBytes = 192 << 20

// streaming brings weights to the device where its memory is short: those of a stretch of instructions, a block, come by a stream of their own
// while the block before computes. Two places take turns. Vectors and what is small stay on the device.
type streaming struct {
	blocks  []weightBlock
	of      []int     // by instruction: its block
	streams []bool    // by index in stored: it comes and goes
	places  [2]int64  // from weightsAt on
	staging [2]int64  // place and size of what is turned or rounded on the device
	now     int       // the block whose instructions are put on the stream; -1 for none
	held    [2]int    // 1 + the block whose weights lie in a place, or are on the way to it
	left    [2]bool   // a block in this place was computed: the event free was recorded
	up      *uploader // nil before the first Run
	copies  driver.Stream
	ready   [2]driver.Event // the place's weights are there
	free    [2]driver.Event // what read them is done
}

// weightBlock is a stretch of instructions of one stage.
type weightBlock struct {
	weights []int         // of stored
	at      map[int]int64 // of each, from the block's place on
	bytes   int64
}

// streamed says whether weight i comes and goes.
func (x *exec) streamed(i int) bool { return x.streaming != nil && x.streaming.streams[i] }

// at is where a weight lies for an instruction.
func (t *streaming) at(instr, weight int) int64 {
	b := t.of[instr]
	return t.places[b%2] + t.blocks[b].at[weight]
}

// reads lists the weights that an instruction reads as matrices, by index in stored.
func (x *exec) reads(in *program.Instr) (out []int) {
	if op := product16(in); op != nil {
		for i := range op.Segments {
			if k := x.panels[x.keyOf(in, &op.Segments[i])]; k != 0 {
				out = append(out, k-1)
			}
		}
		return out
	}
	matrices := matricesOf(in)
	for k, id := range in.In {
		if matrices[k] && id != program.None && x.matrix[id] != 0 {
			out = append(out, x.matrix[id]-1)
		}
	}
	return out
}

// cutBlocks divides the instructions, stage by stage, into blocks whose weights take so many bytes, and decides which weights stay.
func (x *exec) cutBlocks(limit int64) {
	t := &streaming{of: make([]int, len(x.p.Instrs)), streams: make([]bool, len(x.stored)), now: -1}
	x.streaming = t
	for _, stage := range []program.Stage{program.Once, program.Each, program.After} {
		last := -1
		for i := range x.p.Instrs {
			in := &x.p.Instrs[i]
			if in.Stage != stage {
				continue
			}
			var large []int
			for _, w := range x.reads(in) {
				if x.stored[w].bytes > limit>>10 {
					large = append(large, w)
					t.streams[w] = true
				}
			}
			if last < 0 || t.blocks[last].bytes > 0 && t.blocks[last].with(x.stored, large) > limit {
				t.blocks = append(t.blocks, weightBlock{at: make(map[int]int64)})
				last = len(t.blocks) - 1
			}
			t.blocks[last].add(x.stored, large)
			t.of[i] = last
		}
	}
	t.staging[1] = up(x.largestStaged(true), align)
}

// with is the size that a block has with more weights.
func (b *weightBlock) with(all []stored, weights []int) int64 {
	bytes := b.bytes
	for _, w := range weights {
		if _, ok := b.at[w]; !ok {
			bytes = up(bytes+all[w].bytes, align)
		}
	}
	return bytes
}

// add gives weights places in a block.
func (b *weightBlock) add(all []stored, weights []int) {
	for _, w := range weights {
		if _, ok := b.at[w]; !ok {
			b.at[w] = b.bytes
			b.weights = append(b.weights, w)
			b.bytes = up(b.bytes+all[w].bytes, align)
		}
	}
}

// place lays the places of blocks behind weights that stay, and says where they end.
func (t *streaming) place(at int64) int64 {
	var sizes [2]int64
	for i := range t.blocks {
		sizes[i%2] = max(sizes[i%2], t.blocks[i].bytes)
	}
	t.places = [2]int64{at, at + sizes[0]}
	t.staging[0] = at + sizes[0] + sizes[1]
	return t.staging[0] + t.staging[1]
}

// openStreaming makes the stream and the events.
func (x *exec) openStreaming() (err error) {
	t, d := x.streaming, x.e.d
	if t == nil {
		return nil
	}
	if t.copies, err = d.NewStream(); err != nil {
		return err
	}
	for i := range 2 {
		for _, e := range []*driver.Event{&t.ready[i], &t.free[i]} {
			if *e, err = d.NewEvent(); err != nil {
				return err
			}
		}
	}
	t.up, err = newUploader(d, t.copies, x.base+driver.Ptr(x.weightsAt+t.staging[0]))
	return err
}

// close waits for what is under way and gives stream and events back.
func (t *streaming) close() error {
	if t == nil {
		return nil
	}
	var errs []error
	if t.up != nil {
		errs = append(errs, t.up.close())
	}
	for _, e := range append(t.ready[:], t.free[:]...) {
		if e != nil {
			errs = append(errs, e.Destroy())
		}
	}
	if t.copies != nil {
		errs = append(errs, t.copies.Destroy())
	}
	t.up, t.copies, t.ready, t.free = nil, nil, [2]driver.Event{}, [2]driver.Event{}
	t.now, t.held, t.left = -1, [2]int{}, [2]bool{}
	return errors.Join(errs...)
}

// settle waits for what is under way after a failure; nothing that lies in the places counts.
func (t *streaming) settle() error {
	if t == nil || t.copies == nil {
		return nil
	}
	t.now, t.held, t.left = -1, [2]int{}, [2]bool{}
	return t.copies.Synchronize()
}

// enter has the stream wait for the weights of instruction i, which is put on it next. Those of a block that is not there are uploaded now, while
// the device computes the block before.
func (x *exec) enter(ctx context.Context, i int) error {
	t := x.streaming
	if t == nil || t.of[i] == t.now {
		return nil
	}
	if t.now >= 0 {
		place := t.now % 2
		if err := t.free[place].Record(x.stream); err != nil {
			return err
		}
		t.left[place] = true
	}
	t.now = t.of[i]
	if t.held[t.now%2] != t.now+1 {
		if err := x.load(ctx, t.now); err != nil {
			return err
		}
	}
	return x.stream.Wait(t.ready[t.now%2])
}

// load uploads the weights of a block, when what its place held before is not read any more.
func (x *exec) load(ctx context.Context, b int) error {
	t, place := x.streaming, b%2
	t.held[place] = 0
	if t.left[place] {
		if err := t.copies.Wait(t.free[place]); err != nil {
			return err
		}
	}
	err := x.guard(func() error {
		for _, w := range t.blocks[b].weights {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := x.put(t.up, &x.stored[w], x.base+driver.Ptr(x.weightsAt+t.places[place]+t.blocks[b].at[w])); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.held[place] = b + 1
	return t.ready[place].Record(t.copies)
}
