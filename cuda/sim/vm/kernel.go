package vm

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
)

// Class groups instructions for counting.
type Class uint8

// Classes of instructions.
const (
	Integer Class = iota
	Float         // fp32 and fp64 arithmetic
	Half          // fp16 and bf16 arithmetic
	Convert
	Special // ex2, rcp, sqrt, div: the special function unit and what is built on it
	Tensor  // mma
	Move
	Compare // setp, selp and predicates
	GlobalAccess
	SharedAccess
	LocalAccess
	ParamAccess
	AsyncCopy
	Matrix // ldmatrix
	Atomic
	Exchange // shuffles and votes
	Barrier
	Control
	classes
)

var classNames = [classes]string{"integer", "float", "half", "convert", "special", "tensor", "move", "compare", "global", "shared", "local", "param",
	"async copy", "ldmatrix", "atomic", "exchange", "barrier", "control"}

// String is the class in a word.
func (c Class) String() string { return classNames[c] }

// Classes is the number of classes.
const Classes = int(classes)

// instr is one instruction, ready to run.
type instr struct {
	run     func(w *warp, in *instr)
	d       int32 // register of the result
	a, b, c int32 // registers of the operands
	guard   int32 // predicate register, or -1
	target  int32 // of a branch
	meet    int32 // where a branch's sides meet again; len(code) for never
	line    int32
	width   int32 // bytes of an element of memory
	class   Class
	not     bool    // guard is inverted
	branch  bool    // a bra
	flops   int32   // of one lane
	regs    []int32 // of vectors
	imm     uint64  // offset of an address, or what the operation wants
	op      opFunc  // of operations built from a function of one lane
}

// opFunc holds the function of one lane, of the form that run wants.
type opFunc any

// param is a parameter: its place in the argument list.
type param struct {
	name  string
	bytes int
}

// Kernel is a compiled kernel.
type Kernel struct {
	Name    string
	Line    int
	Params  int
	MaxTid  [3]int // of .maxntid: zeros where not given
	Exact   bool
	Shared  int // static shared memory of a block
	Dynamic bool
	Local   int // local memory of a thread
	Target  int // 80 for sm_80
	Regs    int // virtual registers of the text

	params    []param
	code      []instr
	lines     []string
	n32, n64  int
	preds     int
	const32   map[uint32]int32 // broadcast to all lanes when a warp starts
	const64   map[uint64]int32
	special   map[string]int32 // register of %tid.x and its kin
	paramRegs []paramReg
	offsets   []uint64 // of the sources of cp.async
	dynamicAt int      // offset of dynamic shared memory
	grain     int      // bytes of the finest access to shared memory
	never     int32    // plus one, a predicate that is never set
}

// ParamBytes is the size of each parameter.
func (k *Kernel) ParamBytes() []int {
	out := make([]int, len(k.params))
	for i, p := range k.params {
		out[i] = p.bytes
	}
	return out
}

// paramReg is a register that holds a parameter, or bytes of it, from the start.
type paramReg struct {
	param, offset, bytes int
	signed               bool
	wide                 bool
	reg                  int32
}

// Module is a compiled text with its variables in memory.
type Module struct {
	Kernels map[string]*Kernel
	Regions []*Region // of its variables
}

// Compile makes a module runnable; its variables are allocated in mem.
func Compile(text string, mem *Memory) (*Module, error) {
	parsed, err := ptx.Parse(text)
	if err != nil {
		return nil, err
	}
	target := 0
	if _, err := fmt.Sscanf(parsed.Target, "sm_%d", &target); err != nil || target < 50 || target > 999 {
		return nil, &ptx.Error{Line: 1, Msg: "unknown target " + parsed.Target}
	}
	m := &Module{Kernels: map[string]*Kernel{}}
	globals := map[string]ptx.Var{}
	addresses := map[string]uint64{}
	var total int64
	for _, v := range parsed.Vars {
		if _, ok := globals[v.Name]; ok {
			return nil, &ptx.Error{Line: v.Line, Msg: "the variable " + v.Name + " stands twice"}
		}
		globals[v.Name] = v
		if total += v.Bytes; total > 1<<28 {
			return nil, &ptx.Error{Line: v.Line, Msg: "the variables have more than 256 MB"}
		}
	}
	for _, v := range parsed.Vars {
		if v.Space == ptx.Shared {
			continue
		}
		r := mem.Alloc(v.Bytes, "the variable "+v.Name)
		fill(r.Data, 0)
		copy(r.Data, v.Init)
		r.Mark(0, v.Bytes, true)
		r.ReadOnly = v.Space == ptx.Const
		addresses[v.Name] = r.Base
		m.Regions = append(m.Regions, r)
	}
	for _, k := range parsed.Kernels {
		if m.Kernels[k.Name] != nil {
			err = &ptx.Error{Line: k.Line, Msg: "the kernel " + k.Name + " stands twice"}
		}
		c := &compiler{src: k, globals: globals, addresses: addresses, k: &Kernel{Name: k.Name, Line: k.Line, Target: target, lines: parsed.Lines}}
		if err == nil {
			err = c.compile()
		}
		if err != nil {
			m.Unload(mem)
			return nil, err
		}
		m.Kernels[k.Name] = c.k
	}
	return m, nil
}

// Unload frees the module's variables.
func (m *Module) Unload(mem *Memory) {
	for _, r := range m.Regions {
		mem.Free(r)
	}
	m.Regions = nil
}
