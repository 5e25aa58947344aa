package program

import "context"

// Executor turns programs into something that runs on one device.
type Executor interface {
	// Name is "ref", "cpu" or "cuda".
	Name() string
	// Compile plans memory, binds the weights and prepares kernels. It fails
	// with one error for all missing or ill-shaped weights.
	Compile(p *Program, opt Options) (Exec, error)
}

// Options are what does not change a result.
type Options struct {
	Weights WeightSource
	Threads int // workers; 0 means as many as the process may use
	// LowMemory takes the pages of mapped weights out of memory after each use, where the source is a [ContentSource].
	LowMemory bool
}

// WeightSource gives weights by name. The data may be a memory-mapped file: it
// is read while the program runs and not copied as a whole.
type WeightSource interface {
	// Weight returns the named weight. A missing one is an error that
	// [BindWeights] collects with all others.
	Weight(name string) (WeightData, error)
	// Guard calls f so that a fault in a mapped file comes back as an error
	// that names the file. Each worker's task runs inside it.
	Guard(f func() error) error
}

// ContentSource is a WeightSource whose weights are known by what they hold, so that what an executor makes of them
// can be kept for other runs.
type ContentSource interface {
	WeightSource
	// Identity is a digest of a weight's type, shape and elements; false where it is not known, or the weight is made for this run.
	Identity(name string) (id [32]byte, ok bool)
	// Verify says whether the files are still those that were opened.
	Verify() error
	// Keep makes data that was given out readable beyond the end of the run, until release is called.
	Keep() (release func())
	// Drop takes a weight's pages out of memory until they are read again.
	Drop(name string)
}

// TypeSource says of which type a weight will be, without reading or making it; false where there is none.
type TypeSource interface {
	TypeOf(name string) (WeightType, bool)
}

// MadeSource is a ContentSource some of whose weights lie in no file: they are computed each time they are asked for.
type MadeSource interface {
	ContentSource
	// Made says that of a weight.
	Made(name string) bool
}

// SizedSource is a WeightSource that tells from headers alone what weights take.
type SizedSource interface {
	WeightSource
	// Size is the number of bytes of a weight as Weight gives it, and whether they lie in a mapped file; else they are made when they are
	// asked for. 0 where there is no such weight.
	Size(name string) (bytes int64, mapped bool)
}

// WeightType is the element type of stored weights.
type WeightType uint8

// Element types of weights.
const (
	WF32 WeightType = iota
	WF16
	WBF16
	WF64
)

// Size is the number of bytes of one element.
func (t WeightType) Size() int { return [...]int{4, 2, 2, 8}[t] }

// WeightData is one weight as it lies in its file: little-endian, row-major.
type WeightData struct {
	Type  WeightType
	Shape []int
	Data  []byte
}

// Tensor is an input or output of Run. Exactly one of F and I is set.
type Tensor struct {
	Shape []int
	F     []float32
	I     []int32
}

// Exec is a compiled program. It may be run many times, by one goroutine at a time.
type Exec interface {
	// Run executes the program. Inputs and outputs go by port name. It stops
	// with ctx.Err() between two kernels when ctx is done.
	Run(ctx context.Context, in map[string]Tensor, opt RunOptions) (map[string]Tensor, error)
	// PeakBytes is the memory that Run needs beside inputs, outputs and mapped weights.
	PeakBytes() int64
	Close() error
}

// RunOptions are hooks of one run.
type RunOptions struct {
	// Start is the first step to run; State then gives each carry's value
	// before it, by the carry's name.
	Start int
	State map[string]Tensor
	// OnStep is called after each step of the loop with the number of steps
	// done and a function that copies the carried values. An error stops the run.
	OnStep func(done int, state func() map[string]Tensor) error
	// OnInstr is called after each instruction with its index, where several were joined with the last one's: for traces,
	// parity tests and progress. value copies a value that instruction i has just computed.
	OnInstr func(i int, value func(ID) Tensor)
}
