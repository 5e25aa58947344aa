package ptx

import "fmt"

// Module is a PTX text.
type Module struct {
	Major, Minor int    // of .version
	Target       string // sm_80
	Vars         []Var  // of the spaces global, const and shared
	Kernels      []*Kernel
	Lines        []string // the text, for messages; line 1 is Lines[0]
}

// Space is where a variable lives.
type Space uint8

// Spaces of variables.
const (
	Global Space = iota
	Const
	Shared
	Local
	Param
)

// String is the space's name in PTX.
func (s Space) String() string { return [...]string{"global", "const", "shared", "local", "param"}[s] }

// Var is a variable: Bytes long, or of a size that the launch gives where Extern.
type Var struct {
	Name   string
	Space  Space
	Align  int64
	Bytes  int64
	Init   []byte // what it holds at first, Bytes long; nil for zeros
	Extern bool
	Line   int
}

// Reg is a virtual register.
type Reg struct {
	Name string
	Bits uint8 // 1 for a predicate, else 8, 16, 32, 64
}

// Kernel is one .entry.
type Kernel struct {
	Name   string
	Line   int
	Params []Var
	MaxTid [3]int // of .maxntid or .reqntid; zeros where neither stands
	Exact  bool   // .reqntid: a block has exactly so many threads
	Regs   []Reg
	Vars   []Var // shared and local ones of the body
	Code   []Instr
	Labels map[string]int // index of the instruction behind the label; may be len(Code)
}

// Instr is one instruction.
type Instr struct {
	Line     int
	Guard    int // register of the guard @p, or -1
	GuardNot bool
	Op       string   // add, setp, cp.async is cp
	Mods     []string // what stands behind the first point: s32; async, cg, shared, global
	Args     []Arg
}

// ArgKind says which fields of an Arg count.
type ArgKind uint8

// Kinds of operands.
const (
	RegArg   ArgKind = iota // Reg; Not for !p
	IntArg                  // Int
	FloatArg                // Int holds the bits, Bits says 32 or 64
	NameArg                 // Name with Int added: a variable, a label, a special register such as %tid.x
	MemArg                  // [Base + Int]: the address in Elems[0] (RegArg, NameArg or IntArg)
	VecArg                  // {Elems...}
	PairArg                 // Elems[0]|Elems[1]
	SinkArg                 // _
)

// Arg is an operand.
type Arg struct {
	Kind  ArgKind
	Not   bool
	Bits  uint8
	Reg   int
	Int   uint64
	Name  string
	Elems []Arg
}

// Error is a mistake in the text.
type Error struct {
	Line int
	Msg  string
}

// Error is line and message.
func (e *Error) Error() string { return fmt.Sprintf("ptx line %d: %s", e.Line, e.Msg) }
