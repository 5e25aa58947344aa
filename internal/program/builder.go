package program

import (
	"fmt"
	"strings"
)

// Builder makes a [Program]. Its methods infer shapes and panic with a
// [*ShapeError] when operands do not fit.
type Builder struct {
	p       *Program
	prec    Precision
	stage   Stage
	scope   []string
	weights map[string]ID
	patches Patches
}

// NewBuilder begins a program. Products and attention get precision prec
// unless [Builder.WithPrecision] says otherwise.
func NewBuilder(name string, prec Precision) *Builder {
	return &Builder{
		p:       &Program{Name: name, Values: make([]Value, 1)},
		prec:    prec,
		weights: make(map[string]ID),
	}
}

// Program ends building and returns the program.
func (b *Builder) Program() *Program {
	for _, c := range b.p.Carries {
		if c.Next == None {
			b.fail("carry %q has no next value", c.Name)
		}
	}
	return b.p
}

// Shape returns the shape of a value.
func (b *Builder) Shape(id ID) []int { return b.p.Values[id].Shape }

// Dim returns dimension i of a value; negative i counts from the end.
func (b *Builder) Dim(id ID, i int) int {
	s := b.p.Values[id].Shape
	if i < 0 {
		i += len(s)
	}
	return s[i]
}

// Scope runs f with name appended to the path of weights and instructions.
func (b *Builder) Scope(name string, f func()) {
	b.scope = append(b.scope, name)
	defer func() { b.scope = b.scope[:len(b.scope)-1] }()
	f()
}

// Path is the current scope's path: a component before "/", modules joined by dots.
func (b *Builder) Path(name string) string {
	path := ""
	for _, s := range append(b.scope[:len(b.scope):len(b.scope)], name) {
		switch {
		case s == "":
		case path == "" || strings.HasSuffix(path, "/"):
			path += s
		default:
			path += "." + s
		}
	}
	return path
}

// WithPrecision runs f with another precision for products and attention.
func (b *Builder) WithPrecision(p Precision, f func()) {
	old := b.prec
	b.prec = p
	defer func() { b.prec = old }()
	f()
}

// Input declares an input of Run.
func (b *Builder) Input(name string, dtype DType, shape ...int) ID {
	id := b.value(Value{Shape: shape, DType: dtype, Origin: FromInput, Name: name})
	b.p.Inputs = append(b.p.Inputs, Port{name, id})
	return id
}

// Output declares an output of Run.
func (b *Builder) Output(name string, id ID) {
	b.p.Outputs = append(b.p.Outputs, Port{name, id})
}

// Weight declares a weight under the current scope, such as "conv1.weight".
// Asking twice gives one value.
func (b *Builder) Weight(name string, shape ...int) ID {
	return b.weight(b.Path(name), shape)
}

func (b *Builder) weight(path string, shape []int) ID {
	if id, ok := b.weights[path]; ok {
		if !sameShape(b.Shape(id), shape) {
			b.fail("weight %q is used as %v and as %v", path, b.Shape(id), shape)
		}
		return id
	}
	id := b.value(Value{Shape: shape, Origin: FromWeight, Name: path})
	b.weights[path] = id
	return id
}

// Loop begins the step loop: what follows runs once for each of steps steps.
func (b *Builder) Loop(steps int) {
	if b.p.Steps != 0 {
		b.fail("a program has one loop")
	}
	if steps < 1 {
		b.fail("a loop needs at least one step, not %d", steps)
	}
	b.p.Steps = steps
	b.stage = Each
}

// Carry declares a value that goes round the loop and starts as init.
func (b *Builder) Carry(name string, init ID) ID {
	if b.stage != Each {
		b.fail("carry %q outside the loop", name)
	}
	for _, c := range b.p.Carries {
		if c.Body == init {
			init = c.Init
		}
	}
	v := b.p.Values[init]
	id := b.value(Value{Shape: v.Shape, DType: v.DType, Origin: FromCarry, Name: name})
	b.p.Carries = append(b.p.Carries, Carry{Name: name, Init: init, Body: id})
	return id
}

// Next says what a step makes of a carried value. All carries change at once: where next is another carry's value, it
// is copied, so that executors may change them one by one.
func (b *Builder) Next(carry, next ID) {
	b.need(b.stage == Each, "the next value of a carry outside the loop")
	if next != carry && b.p.Values[next].Origin == FromCarry {
		next = b.Reshape(next, b.Shape(next)...)
	}
	for i := range b.p.Carries {
		c := &b.p.Carries[i]
		if c.Body == carry {
			if !sameShape(b.Shape(carry), b.Shape(next)) {
				b.fail("carry %q goes from %v to %v", c.Name, b.Shape(carry), b.Shape(next))
			}
			c.Next = next
			return
		}
	}
	b.fail("value %d is not carried", carry)
}

// EndLoop ends the loop: what follows runs once, after the last step.
func (b *Builder) EndLoop() { b.stage = After }

func (b *Builder) value(v Value) ID {
	b.p.Values = append(b.p.Values, v)
	return ID(len(b.p.Values) - 1)
}

func (b *Builder) emit(op Op, out []int, in ...ID) ID {
	for _, d := range out {
		if d < 1 {
			b.fail("%s gives the empty shape %v", op.Name(), out)
		}
	}
	id := b.value(Value{Shape: out, Origin: FromOp, Name: b.Path("")})
	b.p.Instrs = append(b.p.Instrs, Instr{Op: op, In: in, Out: []ID{id}, Stage: b.stage, Scope: b.Path("")})
	return id
}

func (b *Builder) fail(format string, args ...any) {
	panic(&ShapeError{Scope: b.Path(""), Msg: fmt.Sprintf(format, args...)})
}

func (b *Builder) need(ok bool, format string, args ...any) {
	if !ok {
		b.fail(format, args...)
	}
}

func sameShape(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
