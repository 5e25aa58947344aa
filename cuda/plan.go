package cuda

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// align is what the beginnings of stretches of memory are multiples of.
const align = 256

func up(n, m int64) int64 { return (n + m - 1) / m * m }

// exec is a compiled program.
type exec struct {
	e     *Executor
	p     *program.Program
	guard func(func() error) error // catches faults in mapped weights

	values program.MemoryPlan
	inputs []int64  // by ID: offset of an input, or -1
	stored []stored // weights on the device
	matrix []int    // by ID: 1 + index in stored of a weight as it lies in its file, taps first; 0 for none
	vector []int    // by ID: the same of a weight widened to fp32

	// Behind computed values and inputs.
	scratchAt, scratchSize int64 // working memory of one operation
	weightsAt              int64
	tablesAt               int64
	tables                 bytes.Buffer // constant data of the operations
	tableEnds              map[int]int  // where each table ends, by its offset
	size                   int64        // of the allocation

	ops   [][]action // by instruction
	instr int        // the instruction that is being made
	used  int64      // of the working memory, by that instruction

	class16
	streaming *streaming // nil where all weights stay on the device

	base   driver.Ptr // 0 before the first Run
	stream driver.Stream

	given map[program.ID]program.Tensor // inputs of this Run
	step  int
}

// action is a part of an instruction: it puts work on the stream.
type action func() error

// call puts a kernel's launch on a stream.
type call func(driver.Stream) error

// stored is one weight on the device.
type stored struct {
	data  program.WeightData
	at    int64 // from weightsAt on, where it stays
	bytes int64
	kind  program.WeightType // on the device, or on the way to a panel: never WF64
	panel *panel             // not nil: lies there as a panel of class fp16
	taps  int                // above 1: [N,C,taps] becomes [N,taps,C]
	widen bool               // to fp32
	scale float32            // what it is multiplied by, in fp32
}

// plan lays out memory and makes the operations at base 0, which tells how much they need.
// Weights are streamed in blocks of so many bytes, where block is not 0.
func (e *Executor) plan(p *program.Program, weights []program.WeightData, block int64) (*exec, error) {
	n := len(p.Values)
	x := &exec{e: e, p: p, inputs: make([]int64, n), matrix: make([]int, n), vector: make([]int, n)}
	x.p, x.scales, x.left = folded(p)
	p = x.p
	x.half = halves(p)
	x.layChunks()
	x.values = program.PlanMemoryOf(x.p, x.half)
	at := up(x.values.Bytes, align)
	for i := range x.inputs {
		x.inputs[i] = -1
	}
	for _, port := range p.Inputs {
		x.inputs[port.Value] = at
		at = up(at+4*int64(p.Value(port.Value).Elems()), align)
	}
	x.scratchAt = at
	x.listWeights(weights)
	if block > 0 {
		x.cutBlocks(block)
	}
	weightBytes := x.placeWeights()
	if err := x.build(); err != nil {
		return nil, err
	}
	x.weightsAt = up(max(x.scratchAt+x.scratchSize, x.largestStaged(false)), align) // weights that are turned or rounded come by what lies before them
	x.tablesAt = x.weightsAt + weightBytes
	x.size = up(x.tablesAt+int64(x.tables.Len()), align)
	return x, nil
}

// build makes the operations for the present base, and their tables.
func (x *exec) build() error {
	x.tables.Reset()
	x.tableEnds = make(map[int]int)
	x.ops = make([][]action, len(x.p.Instrs))
	for i := range x.p.Instrs {
		in := &x.p.Instrs[i]
		for _, id := range in.Out {
			if elems := x.p.Value(id).Elems(); int64(elems) >= 1<<32 {
				return fmt.Errorf("%s: %d elements are more than one kernel treats", in.Scope, elems)
			}
		}
		x.instr, x.used = i, 0
		if x.left[i] {
			continue
		}
		ops := x.operation16(in)
		if ops == nil {
			ops = x.operation(in)
		}
		if ops == nil {
			return fmt.Errorf("%s: the cuda executor has no operation %q", in.Scope, in.Op.Name())
		}
		x.ops[i] = ops
	}
	return nil
}

// operation makes the actions of one instruction; nil where there is none for it.
func (x *exec) operation(in *program.Instr) []action {
	switch op := in.Op.(type) {
	case *program.Product:
		if op.Algorithm == program.Winograd {
			return x.winograd(in, op)
		}
		return x.product(in, op)
	case *program.Attention:
		return x.attention(in, op)
	case *program.AttentionColumns:
		return x.columns(in, op)
	case *program.GroupNorm:
		return x.groupNorm(in, op)
	case *program.LayerNorm:
		return x.layerNorm(in, op)
	case *program.Degrade:
		return x.degrade(in, op)
	case *program.Normals:
		return x.normals(in, op)
	case *program.Activate, *program.GEGLU, *program.Add, *program.Affine, *program.Guidance, *program.SelfGuidance, *program.SolverStep:
		return x.pointwise(in)
	case *program.Upsample, *program.Embed, *program.Row, *program.StepRow, *program.Concat, *program.Slice, *program.Repeat, *program.Reshape, *program.Sinusoid:
		return x.move(in)
	}
	return nil
}

// at is where a value lies: in the arena, among the inputs, or a weight widened to fp32.
func (x *exec) at(id program.ID) driver.Ptr {
	switch x.p.Value(id).Origin {
	case program.FromInput:
		return x.base + driver.Ptr(x.inputs[id])
	case program.FromWeight:
		return x.place(x.vector[id] - 1)
	}
	return x.base + driver.Ptr(x.values.Offset[id])
}

// or0 is where an operand lies that may be left out: 0 then.
func (x *exec) or0(id program.ID) uint64 {
	if id == program.None {
		return 0
	}
	return uint64(x.at(id))
}

// table adds constant data, of fixed size, and gives its address.
func (x *exec) table(data ...any) uint64 {
	for x.tables.Len()%16 != 0 {
		x.tables.WriteByte(0)
	}
	at := x.tables.Len()
	for _, d := range data {
		if err := binary.Write(&x.tables, binary.LittleEndian, d); err != nil {
			panic(err) // a type without a fixed size: a mistake of this package
		}
	}
	x.tableEnds[at] = x.tables.Len()
	return uint64(x.base) + uint64(x.tablesAt) + uint64(at)
}

// scratch gives working memory of n floats in each stretch asked for; it lasts for one instruction.
func (x *exec) scratch(floats ...int64) []uint64 {
	out := make([]uint64, len(floats))
	for i, n := range floats {
		out[i] = uint64(x.base) + uint64(x.scratchAt+x.used)
		x.used = up(x.used+4*n, align)
	}
	x.scratchSize = max(x.scratchSize, x.used)
	return out
}

// threads is the number of threads of a block of kernels that treat an element each.
const threads = 128

// each launches a kernel with a thread for each of n elements; further grids are rows of blocks.
func (x *exec) each(kernel string, n, rows int, args ...any) action {
	return x.onStream(x.callEach(kernel, n, rows, args...))
}

// launch makes an action of a kernel's launch.
func (x *exec) launch(kernel string, grid, block driver.Dim, args ...any) action {
	return x.onStream(x.call(kernel, grid, block, args...))
}

// onStream makes a call an action.
func (x *exec) onStream(c call) action { return func() error { return c(x.stream) } }

func (x *exec) callEach(kernel string, n, rows int, args ...any) call {
	return x.call(kernel, driver.D2((n+threads-1)/threads, rows), driver.D1(threads), args...)
}

func (x *exec) call(kernel string, grid, block driver.Dim, args ...any) call {
	f, ok := x.e.kernels[kernel]
	if !ok {
		panic("no kernel " + kernel)
	}
	words := make([]uint64, len(args))
	for i, a := range args {
		words[i] = word(a)
	}
	return func(s driver.Stream) error { return x.e.d.Launch(f, grid, block, 0, s, words) }
}
