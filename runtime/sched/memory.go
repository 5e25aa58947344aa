package sched

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// peak is the working memory of a step with its inputs and outputs.
func peak(s *plan.Step) int64 {
	n := s.Plan.PeakBytes
	for _, in := range s.Awaits() {
		if !in.Type.Live() {
			n += size(in.From.Plan.Outputs[in.Port])
		}
	}
	for _, m := range s.Plan.Outputs {
		n += size(m)
	}
	return n
}

// size is the memory of a value in bytes. An image takes 3 bytes a pixel, and as much again and more while it is written.
func size(m nodes.Meta) int64 {
	var sum int64
	for _, shape := range m.Shapes {
		n := int64(4)
		for _, d := range shape {
			n *= int64(d)
		}
		sum += n
	}
	return sum
}

// hold adds to each step's peak the values that were made or read before and that steps after it read.
func hold(rows []Row) {
	type value struct {
		from *plan.Step
		port string
	}
	first, last := make(map[value]int), make(map[value]int) // rows between which a value is in memory
	for i := range rows {
		if !rows[i].mayRun() {
			continue
		}
		for port := range rows[i].Step.Plan.Outputs {
			first[value{rows[i].Step, port}] = i
		}
		for _, in := range rows[i].Step.Awaits() {
			v := value{in.From, in.Port}
			if _, ok := first[v]; !ok {
				first[v] = i
			}
			last[v] = i
		}
	}
	added := make([]int64, len(rows)+1) // differences from row to row
	for v, end := range last {
		if begin := first[v]; begin+1 < end && !v.from.Kind.Live() {
			n := size(v.from.Plan.Outputs[v.port])
			added[begin+1] += n
			added[end] -= n
		}
	}
	reads := make(map[value]bool)
	var held int64
	for i := range rows {
		held += added[i]
		clear(reads)
		rows[i].Peak += held
		for _, in := range rows[i].Step.Awaits() { // counted already
			v := value{in.From, in.Port}
			if begin, ok := first[v]; rows[i].mayRun() && ok && begin < i && i < last[v] && !reads[v] && !v.from.Kind.Live() {
				reads[v] = true
				rows[i].Peak -= size(v.from.Plan.Outputs[v.port])
			}
		}
	}
}

// joint adds to the peak of steps that would run together what the others of their batch take.
func joint(rows []Row, batches [][]*plan.Step) {
	place := make(map[*plan.Step]int, len(rows))
	for i := range rows {
		place[rows[i].Step] = i
	}
	for _, steps := range batches {
		var run []*plan.Step
		for _, s := range steps {
			if rows[place[s]].mayRun() {
				run = append(run, s)
			}
		}
		if len(run) < 2 {
			continue
		}
		all := together(run)
		for _, s := range run {
			rows[place[s]].Peak += all - peak(s)
		}
	}
}

// MemoryError says that a run needs more memory than it may use.
type MemoryError struct {
	Node        string
	Need, Limit int64
}

// Error implements error.
func (e *MemoryError) Error() string {
	return fmt.Sprintf("node %q needs %s of memory and the run may use %s: draw a smaller picture, or raise the limit with --memory", e.Node, bytes(e.Need), bytes(e.Limit))
}

// bytes shows a number of bytes.
func bytes(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// CheckMemory compares the planned peak of the steps that may run with a limit in bytes; 0 is no limit. The error names the
// step that needs most.
func CheckMemory(rows []Row, limit int64) error {
	if limit <= 0 {
		return nil
	}
	most := MemoryError{Limit: limit}
	for _, row := range rows {
		if need := row.Peak + baseBytes; row.mayRun() && need > max(limit, most.Need) {
			most.Node, most.Need = row.Step.Name, need
		}
	}
	if most.Node == "" {
		return nil
	}
	return &most
}

// baseBytes is what is left of a limit for the process beside a step's own memory: program, vocabulary, buffers. It is more than was measured, see
// [Resident].
const baseBytes = 64 << 20
