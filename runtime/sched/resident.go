package sched

// Weigh fills in what weights the rows that may run have in memory. It reads headers alone.
func Weigh(rows []Row) {
	for i := range rows {
		if r := &rows[i]; r.mayRun() && r.Step.Plan.Weights != nil {
			r.Weights = r.Step.Plan.Weights()
		}
	}
}

// Resident is the most memory that a run has resident at once, in bytes: its own, and the pages of mapped files that it has read.
type Resident struct {
	Node    string // that has it; "" where none would run
	Bytes   int64  // the sum of the others
	Weights int64  // of the node, as files have them or packed
	Working int64  // the node's own, with values that it reads, makes or waits beside
	Program int64  // the process beside its nodes
}

// ownBytes is what a process has resident beside nodes and what it keeps in Go's heap: pages of the program's file, Go's runtime and buffers. Measured on
// Linux, amd64: docs/packed.md.
const ownBytes = 21 << 20

// PeakResident gives what a run will have resident that keeps heap bytes for its plan: models' headers, programs, vocabularies.
func PeakResident(rows []Row, heap int64) Resident {
	var most Resident
	for i := range rows {
		r := &rows[i]
		if !r.mayRun() {
			continue
		}
		one := Resident{Node: r.Step.Name, Weights: r.Weights, Working: r.Peak, Program: ownBytes + heap}
		if one.Weights < 0 { // weights that Peak counts as made are packed
			one.Weights, one.Working = 0, one.Working+one.Weights
		}
		if one.Bytes = one.Weights + one.Working + one.Program; one.Bytes > most.Bytes {
			most = one
		}
	}
	return most
}
