package program

import (
	"errors"
	"fmt"
)

// ID names a value of a program. The zero ID is not a value, so that optional
// operands can be left out.
type ID int32

// None is the ID of an operand that is left out.
const None ID = 0

// DType is the element type of a value. Activations are F32; I32 is for token
// ids and row indices.
type DType uint8

// Element types.
const (
	Float32 DType = iota
	Int32
)

// Size is the number of bytes of one element.
func (d DType) Size() int { return 4 }

// String names the type as safetensors does.
func (d DType) String() string {
	if d == Int32 {
		return "I32"
	}
	return "F32"
}

// Precision says how a product treats its operands (docs/numerics.md, Products).
type Precision uint8

// Precisions of products and attention.
const (
	F32  Precision = iota // fp32 operands
	BF16                  // operands rounded to bf16, sums in fp32
	F16                   // operands rounded to fp16, sums in fp32, in the order of the device's tensor cores: of executor cuda alone
)

// String names the precision as workflow files do.
func (p Precision) String() string {
	return [...]string{"fp32", "bf16", "fp16"}[p]
}

// Uses says whether a product or attention of a program has a precision.
func Uses(p *Program, prec Precision) bool {
	for i := range p.Instrs {
		var is Precision
		switch op := p.Instrs[i].Op.(type) {
		case *Product:
			is = op.Prec
		case *Attention:
			is = op.Prec
		case *AttentionColumns:
			is = op.Prec
		default:
			continue
		}
		if is == prec {
			return true
		}
	}
	return false
}

// Origin says where a value comes from.
type Origin uint8

// Origins of values.
const (
	FromOp     Origin = iota // an instruction computes it
	FromInput                // the caller of Run gives it
	FromWeight               // a weight, by name
	FromCarry                // the loop: Carry.Init before the first step, Carry.Next after each
)

// Value describes one tensor of a program.
type Value struct {
	Shape  []int
	DType  DType
	Origin Origin
	// Name is the weight's name (canonical diffusers name after the component's
	// prefix, e.g. "unet/conv_in.weight"), the input's name, or the scope of
	// the instruction that computes it.
	Name string
}

// Elems is the number of elements of v.
func (v *Value) Elems() int { return Elems(v.Shape) }

// Elems is the product of a shape's dimensions.
func Elems(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Stage says how often an instruction runs.
type Stage uint8

// Stages of an instruction.
const (
	Once  Stage = iota // before the loop (or in a program without one)
	Each               // in every step of the loop
	After              // once, after the last step
)

// Instr is one operation with its operands. The meaning of In is given by the
// operation's type.
type Instr struct {
	Op    Op
	In    []ID
	Out   []ID
	Stage Stage
	Scope string // path of the block that asked for it, such as "unet/down_blocks.0.resnets.0.conv1"
}

// Carry is a value that goes round the step loop.
type Carry struct {
	Name string
	Init ID // its value before the first step (an input or a value of stage Once)
	Body ID // its value inside a step, of origin FromCarry; after the last step, its final value
	Next ID // what a step makes of it; never another carry's Body
}

// Port is a named input or output.
type Port struct {
	Name  string
	Value ID
}

// Program is a list of instructions in an order in which they can run.
type Program struct {
	Name    string
	Values  []Value // indexed by ID; Values[0] is unused
	Instrs  []Instr
	Inputs  []Port
	Outputs []Port // a Carry's Body stands for its value after the last step
	Steps   int    // number of steps of the loop; 0 means no loop
	Carries []Carry
}

// Value returns the description of id.
func (p *Program) Value(id ID) *Value { return &p.Values[id] }

// Shape returns the shape of id.
func (p *Program) Shape(id ID) []int { return p.Values[id].Shape }

// WeightRef is a weight that a program reads.
type WeightRef struct {
	Name  string
	Shape []int
	ID    ID
}

// Weights lists the weights that the program's instructions read, in the order
// of their first use.
func (p *Program) Weights() []WeightRef {
	var refs []WeightRef
	seen := make(map[ID]bool)
	for i := range p.Instrs {
		for _, id := range p.Instrs[i].In {
			if id == None || p.Values[id].Origin != FromWeight || seen[id] {
				continue
			}
			seen[id] = true
			refs = append(refs, WeightRef{Name: p.Values[id].Name, Shape: p.Values[id].Shape, ID: id})
		}
	}
	return refs
}

// ShapeError is what building panics with when shapes do not fit: a mistake in
// model code or in a configuration. The scheduler recovers exactly this type at
// the boundary of a node.
type ShapeError struct {
	Scope string
	Msg   string
}

// Error implements error.
func (e *ShapeError) Error() string {
	if e.Scope == "" {
		return "shape: " + e.Msg
	}
	return fmt.Sprintf("shape: %s: %s", e.Scope, e.Msg)
}

// CatchShape turns a panic with a [*ShapeError] into an error: to be deferred by the function that returns it. Other panics go on.
func CatchShape(err *error) {
	v := recover()
	if v == nil {
		return
	}
	var shape *ShapeError
	if e, ok := v.(error); !ok || !errors.As(e, &shape) {
		panic(v)
	}
	*err = shape
}
