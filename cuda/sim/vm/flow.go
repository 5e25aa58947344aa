package vm

import "github.com/seed-8af8f8e1/flow/cuda/sim/ptx"

func init() {
	register("bra", buildBranch)
	register("ret", buildExit)
	register("exit", buildExit)
	register("trap", func(c *compiler) (instr, error) { return instr{run: runTrap, class: Control}, c.args(0) })
}

// register adds a builder; opcodes are spread over the files of their families.
func register(op string, build func(c *compiler) (instr, error)) {
	if builders == nil {
		builders = map[string]func(c *compiler) (instr, error){}
	}
	if builders[op] != nil {
		panic("vm: the opcode " + op + " is built twice")
	}
	builders[op] = build
}

func buildBranch(c *compiler) (instr, error) {
	c.take("uni")
	if err := c.args(1); err != nil {
		return instr{}, err
	}
	a := c.in.Args[0]
	at, ok := c.src.Labels[a.Name]
	if a.Kind != ptx.NameArg || !ok || a.Int != 0 {
		return instr{}, c.fail("bra: no label %q in this kernel", a.Name)
	}
	return instr{run: runBranch, class: Control, target: int32(at), branch: true}, nil
}

func buildExit(c *compiler) (instr, error) {
	c.take("uni")
	return instr{run: runExit, class: Control}, c.args(0)
}

// flow finds where the sides of each branch meet again: the immediate post-dominator of its block, by the algorithm of
// Cooper, Harvey and Kennedy (2001) on the reversed graph.
func (c *compiler) flow() error {
	code := c.k.code
	n := len(code)
	starts := make([]bool, n+1)
	starts[0] = true
	for i := range code {
		if isBranch(&code[i]) {
			starts[code[i].target] = true
			starts[i+1] = true
		} else if endsKernel(&code[i]) {
			starts[i+1] = true
		}
	}
	block := make([]int, n+1) // of an instruction
	var first []int
	for i := 0; i < n; i++ {
		if starts[i] {
			first = append(first, i)
		}
		block[i] = len(first) - 1
	}
	end := len(first) // the virtual exit
	block[n] = end
	succ := make([][]int, end)
	for b, at := range first {
		last := n - 1
		if b+1 < end {
			last = first[b+1] - 1
		}
		in := &code[last]
		switch {
		case isBranch(in) && in.guard < 0:
			succ[b] = []int{block[in.target]}
		case isBranch(in):
			succ[b] = []int{block[in.target], block[last+1]}
		case endsKernel(in):
			succ[b] = []int{end}
		default:
			succ[b] = []int{block[last+1]}
		}
		_ = at
	}
	meets := postDominators(succ, end)
	for i := range code {
		if in := &code[i]; isBranch(in) {
			in.meet = int32(n)
			if m := meets[block[i]]; m < end {
				in.meet = int32(first[m])
			}
		}
	}
	return nil
}

func isBranch(in *instr) bool { return in.branch && in.class == Control }

// endsKernel says whether no lane goes on behind the instruction: a ret without guard. Lanes that leave by a guarded one
// no longer count, so it parts nobody.
func endsKernel(in *instr) bool { return in.class == Control && !in.branch && in.guard < 0 }

// postDominators gives the immediate post-dominator of each block; end for none but the exit.
func postDominators(succ [][]int, end int) []int {
	pred := make([][]int, end+1)
	for b, list := range succ {
		for _, s := range list {
			pred[s] = append(pred[s], b)
		}
	}
	order, number := reversePostorder(pred, end)
	idom := make([]int, end+1)
	for i := range idom {
		idom[i] = -1
	}
	idom[end] = end
	for changed := true; changed; {
		changed = false
		for _, b := range order[1:] {
			meet := -1
			for _, s := range succ[b] {
				if number[s] < 0 || idom[s] < 0 {
					continue
				}
				if meet < 0 {
					meet = s
					continue
				}
				x, y := s, meet
				for x != y {
					for number[x] > number[y] {
						x = idom[x]
					}
					for number[y] > number[x] {
						y = idom[y]
					}
				}
				meet = x
			}
			if meet >= 0 && idom[b] != meet {
				idom[b], changed = meet, true
			}
		}
	}
	for b := range idom { // blocks that never reach the exit
		if idom[b] < 0 {
			idom[b] = end
		}
	}
	return idom
}

// reversePostorder walks the reversed graph from the exit; number is the place in the order, -1 for what is not reached.
func reversePostorder(pred [][]int, end int) (order, number []int) {
	number = make([]int, len(pred))
	seen := make([]bool, len(pred))
	type frame struct{ b, i int }
	stack := []frame{{end, 0}}
	seen[end] = true
	for len(stack) > 0 {
		f := &stack[len(stack)-1]
		if f.i < len(pred[f.b]) {
			next := pred[f.b][f.i]
			f.i++
			if !seen[next] {
				seen[next] = true
				stack = append(stack, frame{next, 0})
			}
			continue
		}
		order = append(order, f.b)
		stack = stack[:len(stack)-1]
	}
	for i := range number {
		number[i] = -1
	}
	for i, j := 0, len(order)-1; i < j; i, j = i+1, j-1 {
		order[i], order[j] = order[j], order[i]
	}
	for i, b := range order {
		number[b] = i
	}
	return order, number
}

// runBranch sends the active lanes to the target. Where they part from others, both sides run in turn until the meeting point.
func runBranch(w *warp, in *instr) {
	taken := w.active
	stay := w.mask &^ taken
	switch {
	case taken == 0:
	case stay == 0:
		w.pc = int(in.target)
	default:
		w.part(int(in.target), w.pc, int(in.meet), taken, stay)
	}
}

// runExit ends the active lanes.
func runExit(w *warp, _ *instr) { w.leave(w.active) }

func runTrap(w *warp, _ *instr) { w.fault(Trap, lowest(w.active), "", 0, 0, "") }
