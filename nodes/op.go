package nodes

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Op is what a node does. It is either a [LiveOp] or a [StoredOp].
type Op any

// LiveOp gives live values. Opening is cheap - headers, not weights - and happens while planning.
type LiveOp interface {
	Open(ctx context.Context, env *Env, in PlanInputs) (map[string]Live, error)
}

// StoredOp gives stored values, which are cached by the node's action key.
type StoredOp interface {
	// Plan says what the node will do, from shapes alone.
	Plan(env *Env, in PlanInputs) (Plan, error)
	// Run does it. Progress goes to env.
	Run(ctx context.Context, env *Env, in Inputs) (map[string]Value, error)
}

// Use names the components of a live input that a node reads. Only their digests are in its key. What a name has behind a point is how a component is
// read, where that makes another digest of it.
type Use struct {
	Input      string // path of the argument, such as "model"
	Components []string
}

// Plan is what a node will do.
type Plan struct {
	Outputs map[string]Meta
	Uses    []Use
	// Own are live values that the operation opens for itself, such as a picture or an image encoder, by the argument that names
	// them. They are in Uses and come back in Inputs.Live; the runtime closes them.
	Own map[string]Live
	// Class and Edition say which parts of the numerics the result depends on: whether the
	// precision of the run and its edition are in the key.
	Class, Edition bool
	PeakBytes      int64 // working memory beside inputs and outputs
	// Weights gives the bytes of weights that are in this process's memory at once beside PeakBytes, mapped or made; nil for none. It reads
	// headers alone. What is packed is known once the weights' digests are.
	Weights func() int64
	Steps   int   // units of progress; 0 for none
	MACs    int64 // multiply-adds that are done
	// Batch says how the step can run together with others; nil where it runs alone.
	Batch *Batch
	// Notes are warnings for the user, such as what was cut from a prompt.
	Notes []string
}

// Batch says which steps run together, by an operation that is a [Batcher]: those of one kind and one Key whose live inputs are the same. Each gives the
// bytes that it gives alone.
type Batch struct {
	Key  string // of what decides the work, such as shapes
	Most int    // how many run together; more are not quicker
	// Peak is the working memory of n steps together, as PeakBytes is that of one.
	Peak func(n int) int64
}

// Batcher is a stored operation that can run with others as one.
type Batcher interface {
	StoredOp
	// RunBatch runs several steps of one [Batch] together. Each has inputs and an environment of its own; the environments differ in Progress, Warn and
	// Steps alone.
	RunBatch(ctx context.Context, envs []*Env, in []Inputs) ([]map[string]Value, error)
}

// PlanInputs are a node's inputs while planning, by argument path.
type PlanInputs struct {
	Stored  map[string]Meta
	Sources map[string]Source // where Stored come from
	Live    map[string]Live
}

// Source names a stored output within one plan. It means something to the runtime only.
type Source struct {
	Step int
	Port string
}

// Inherited is the path under which a node finds, in Inputs.Stored, the i-th of the stored values that a
// component of its live input needs (see [Dependent]).
func Inherited(input, component string, i int) string {
	return fmt.Sprintf("%s.%s.%d", input, component, i)
}

// Inputs are a node's inputs, by argument path; of a stored operation also what its live inputs need, see [Inherited].
type Inputs struct {
	Stored map[string]Value
	Live   map[string]Live
}

// SaveMemory has what runs from here on trade time for memory.
func (e *Env) SaveMemory() {
	e.LowMemory = true
	if s, ok := e.Executor.(interface{ SaveMemory() }); ok {
		s.SaveMemory()
	}
}

// Env is what a node may know of where it runs.
type Env struct {
	Executor  program.Executor
	Precision program.Precision
	Edition   string // "diffusers" or "refiners"
	Threads   int    // 0: as many as the process may use
	Log       *slog.Logger
	// LowMemory trades time for memory; results are the same.
	LowMemory bool
	// Progress is called with units done and the total, from the goroutine that runs the node.
	Progress func(done, total int)
	// Warn adds a warning to the node's record.
	Warn func(message string)
	// Steps follows the loop of a node that has steps; nil where nobody does.
	Steps Steps
}

// Steps follows a loop: digests of steps, previews and checkpoints hang on it.
type Steps interface {
	// Resume is called before a loop of total steps, once or more, with the shapes of what it carries. It gives the step after which the loop goes
	// on, and what it carries there; 0 for a loop that begins at its beginning.
	Resume(total int, carries map[string][]int) (step int, state map[string]Tensor)
	// Done is called after each step, counted from 1, from the goroutine that runs the node. state copies what the loop carries.
	Done(step int, state func() map[string]Tensor) error
}

// StepDigest is the digest of what a loop carries after a step.
func StepDigest(state map[string]Tensor) Digest {
	return (&Tensors{Of: "step", List: state}).Digest()
}

// Class names the numerics class of a precision (docs/numerics.md).
func Class(p program.Precision) string {
	if p == program.F16 { // its sums are in the order of tensor cores: no processor has it
		return "cuda-fp16-sm80@1"
	}
	return p.String() + "@1"
}
