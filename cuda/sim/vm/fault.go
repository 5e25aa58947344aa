package vm

import (
	"fmt"
	"strings"
)

// FaultKind is a class of mistakes.
type FaultKind int

// Classes of mistakes that a run finds.
const (
	OutOfBounds      FaultKind = iota + 1 // outside every allocation, or of shared or local memory
	UseAfterFree                          // in an allocation that was given back
	Uninitialised                         // reads bytes that nothing wrote
	Misaligned                            // an address that is no multiple of the access's size
	SharedRace                            // two threads, one writing, no barrier between
	AsyncPending                          // the target of a cp.async that has not been waited for
	DivergentBarrier                      // not all threads reach the same barrier
	DivergentLanes                        // a shuffle, vote, mma or ldmatrix without all the lanes it names
	StreamRace                            // two streams' work on the same memory, one writing, with nothing ordering them
	ReadOnly                              // writes constant memory
	Endless                               // more instructions than the limit
	Trap                                  // the kernel's own trap
	HostRace                              // the host changed memory that a copy under way reads
)

var faultNames = [...]string{"", "out of bounds", "use after free", "uninitialised read", "misaligned address", "race in shared memory",
	"access to a pending asynchronous copy", "divergent barrier", "lanes are elsewhere", "race between streams", "write to constant memory",
	"kernel does not end", "trap",
	"host memory changed under a copy"}

// String is the class in words.
func (k FaultKind) String() string { return faultNames[k] }

// Fault is a mistake of a kernel or of the host code that launched it.
type Fault struct {
	Kind          FaultKind
	Kernel        string // "" for a call of the host, which is Text then
	Line          int    // of the PTX text
	Text          string // that line
	Block, Thread [3]int
	Space         string // global, shared, local or ""
	Address       uint64 // where Space is not ""
	Bytes         int
	Detail        string // what is known beside
}

// Error says all of it in one line.
func (f *Fault) Error() string {
	var b strings.Builder
	if f.Kernel == "" {
		fmt.Fprintf(&b, "%v in %s", f.Kind, f.Text)
	} else {
		fmt.Fprintf(&b, "%v in kernel %s, ptx line %d (%s), block %v thread %v", f.Kind, f.Kernel, f.Line, f.Text, f.Block, f.Thread)
	}
	if f.Space != "" {
		fmt.Fprintf(&b, ": %d bytes at %s address %#x", f.Bytes, f.Space, f.Address)
	}
	if f.Detail != "" {
		b.WriteString(": " + f.Detail)
	}
	return b.String()
}

// fault ends the launch; run recovers it.
func (w *warp) fault(kind FaultKind, lane int, space string, address uint64, bytes int, format string, args ...any) {
	panic(w.newFault(kind, lane, space, address, bytes, fmt.Sprintf(format, args...)))
}

func (w *warp) newFault(kind FaultKind, lane int, space string, address uint64, bytes int, detail string) *Fault {
	k := w.blk.kernel
	f := &Fault{Kind: kind, Kernel: k.Name, Block: w.blk.index, Thread: w.thread(lane), Space: space, Address: address, Bytes: bytes, Detail: detail}
	if w.at < len(k.code) {
		f.Line = int(k.code[w.at].line)
		f.Text = k.text(f.Line)
	}
	return f
}

// text is a line of the PTX text without blanks around it.
func (k *Kernel) text(line int) string {
	if line < 1 || line > len(k.lines) {
		return ""
	}
	return strings.Join(strings.Fields(k.lines[line-1]), " ")
}

// thread is the place in the block of a lane.
func (w *warp) thread(lane int) [3]int {
	i := w.index*32 + lane
	d := w.blk.dim
	return [3]int{i % d[0], i / d[0] % d[1], i / (d[0] * d[1])}
}
