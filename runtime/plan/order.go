package plan

import "container/heap"

// order sorts steps topologically; of those that can run, the first in the list comes first. The graph has no cycles.
func order(steps []*Step) []*Step {
	place := make(map[*Step]int, len(steps))
	for i, s := range steps {
		place[s] = i
	}
	out := sorted(steps, place)
	for i, s := range out {
		s.Index = i
	}
	return out
}

// AsInFile sorts steps of one cell topologically; of those that can run, the first in the file comes first. What they read that is not among them does
// not count.
func AsInFile(steps []*Step) []*Step {
	place := make(map[*Step]int, len(steps))
	for _, s := range steps {
		place[s] = s.place
	}
	return sorted(steps, place)
}

// sorted sorts steps topologically; of those that can run, the one with the first place comes first.
func sorted(steps []*Step, place map[*Step]int) []*Step {
	missing := make(map[*Step]int, len(steps))
	readers := make(map[*Step][]*Step, len(steps))
	ready := &fileOrder{file: place}
	for _, s := range steps {
		for _, in := range s.Inputs {
			if _, ok := place[in.From]; ok {
				missing[s]++
				readers[in.From] = append(readers[in.From], s)
			}
		}
	}
	for _, s := range steps {
		if missing[s] == 0 {
			heap.Push(ready, s)
		}
	}
	out := make([]*Step, 0, len(steps))
	for ready.Len() > 0 {
		s := heap.Pop(ready).(*Step)
		out = append(out, s)
		for _, r := range readers[s] {
			if missing[r]--; missing[r] == 0 {
				heap.Push(ready, r)
			}
		}
	}
	return out
}

// fileOrder is a heap of steps by their place in the file.
type fileOrder struct {
	steps []*Step
	file  map[*Step]int
}

// Len implements heap.Interface.
func (h *fileOrder) Len() int { return len(h.steps) }

// Less implements heap.Interface.
func (h *fileOrder) Less(i, j int) bool { return h.file[h.steps[i]] < h.file[h.steps[j]] }

// Swap implements heap.Interface.
func (h *fileOrder) Swap(i, j int) { h.steps[i], h.steps[j] = h.steps[j], h.steps[i] }

// Push implements heap.Interface.
func (h *fileOrder) Push(x any) { h.steps = append(h.steps, x.(*Step)) }

// Pop implements heap.Interface.
func (h *fileOrder) Pop() any {
	s := h.steps[len(h.steps)-1]
	h.steps = h.steps[:len(h.steps)-1]
	return s
}

// need marks what outputs need by the inputs that of gives; without outputs, everything.
func (p *Plan) need(of func(*Step) []Input) {
	for _, s := range p.Steps {
		s.Needed = len(p.Outputs) == 0
	}
	for _, o := range p.Outputs {
		o.From.Needed = true
	}
	for i := len(p.Steps) - 1; i >= 0; i-- { // readers come after what they read
		if s := p.Steps[i]; s.Needed {
			for _, in := range of(s) {
				in.From.Needed = true
			}
		}
	}
}
