package report

import (
	"fmt"
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/graph"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// Page is what a report shows: runs, or tests.
type Page struct {
	Title   string
	Release string
	Machine string // what ran it, in words
	Runs    []*Run // cells of one workflow, in order; they stand in a grid
	Tests   []*Test
	Orphans []string // goldens that no test expects
	Staged  []string // goldens that wait for flow test accept
}

// Picture is a picture that a run has made.
type Picture struct {
	Label, Path string
	PNG         []byte
	Loop        string // the node whose loop it came from; empty for none
}

// Grid is the pictures of a matrix' cells, of one output: numbers into the pictures of the run, -1 for no cell.
type Grid struct {
	Output  string
	Columns []string
	Rows    []GridRow
	Loose   []Placed // beside rows and columns
}

// GridRow is one row of a grid.
type GridRow struct {
	Label    string
	Pictures []int
}

// Placed is a picture with the label of its cell.
type Placed struct {
	Label   string
	Picture int
}

// Node is one node of a run.
type Node struct {
	Name, Kind, State, Reason, Key string
	Seconds                        float64
	Peak                           int64     // planned bytes; 0 where that is not known
	Steps                          []float64 // seconds of each step of its loop
	Resumed                        int       // steps of it that an earlier run had done
	Previews                       []Preview
	started, last                  time.Time
	total                          int
}

// Preview is a picture of what a loop carried after a step.
type Preview struct {
	Step int
	PNG  []byte
}

// Run is one run of a workflow, or one cell of its matrix. It is an event.Sink; what events do not tell is filled in by who makes it.
type Run struct {
	File, Name, Cell       string
	Class, Edition, Device string
	Params                 []Param
	Nodes                  []*Node
	Graph                  graph.Graph // its boxes have the nodes' names; marks and notes are filled in
	Pictures               []Picture
	Grids                  []Grid // of a workflow with a matrix; its pictures stand in them
	Warnings               []string
	State                  string // "done", "failed" or "interrupted"
	Seconds                float64

	mu    sync.Mutex
	loops map[string][]Latents
}

// Node states as a report tells them, beside those of events.
const (
	stateHit     = "hit"
	stateRan     = "ran"
	stateFailed  = "failed"
	stateSkipped = "skipped"
)

// node finds a node of the run; events name no others.
func (r *Run) node(name string) *Node {
	for _, n := range r.Nodes {
		if n.Name == name {
			return n
		}
	}
	n := &Node{Name: name}
	r.Nodes = append(r.Nodes, n)
	return n
}

// Emit implements event.Sink.
func (r *Run) Emit(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Type {
	case event.NodeHit:
		n := r.node(e.Node)
		n.State, n.Key, n.Reason = stateHit, e.Key, e.Reason
	case event.NodeStarted:
		n := r.node(e.Node)
		n.State, n.Key, n.Reason, n.started, n.last, n.total = stateRan, e.Key, e.Reason, e.Time, e.Time, e.Total
		n.Steps, n.Resumed = nil, 0
	case event.NodeResumed:
		n := r.node(e.Node)
		n.Resumed, n.last = e.Done, e.Time
	case event.NodeProgress:
		n := r.node(e.Node)
		if n.total > 0 && e.Done > n.Resumed {
			n.Steps = append(n.Steps, e.Time.Sub(n.last).Seconds())
		}
		n.last = e.Time
	case event.NodeDone:
		n := r.node(e.Node)
		n.State, n.Seconds = stateRan, e.Seconds
	case event.NodeFailed, event.NodeSkipped:
		n := r.node(e.Node)
		n.State, n.Reason = stateFailed, e.Message
		if e.Type == event.NodeSkipped {
			n.State = stateSkipped
		}
	case event.OutputDone:
		for i := range r.Pictures {
			if r.Pictures[i].Label == e.Output {
				r.Pictures[i].Path = e.Path
			}
		}
	case event.Warning:
		text := e.Message
		if e.Node != "" {
			text = e.Node + ": " + text
		}
		r.Warnings = append(r.Warnings, text)
	case event.RunDone:
		r.State, r.Seconds = e.Message, e.Seconds
	}
}

// Of a node that ran, this much of the colour stands for no time, and for the longest of all; a text on it can be read in light and dark.
const leastFill, mostFill = 0.06, 0.5

// mark colours the graph by what became of the nodes and how long they took.
func (r *Run) mark() {
	most := longest(r.Nodes)
	for i := range r.Graph.Nodes {
		box := &r.Graph.Nodes[i]
		if box.Output {
			continue
		}
		for _, n := range r.Nodes {
			if n.Name != box.Name || n.State == "" {
				continue
			}
			box.Mark = n.State
			if box.Note = n.State; n.State == stateRan {
				box.Note, box.Fill = seconds(n.Seconds), leastFill
				if most > 0 {
					box.Fill += (mostFill - leastFill) * n.Seconds / most
				}
			}
		}
	}
}

// seconds formats a duration for people.
func seconds(s float64) string {
	switch {
	case s < 0.0995:
		return fmt.Sprintf("%.0f ms", s*1000)
	case s < 60:
		return fmt.Sprintf("%.1f s", s)
	case s < 3600:
		return fmt.Sprintf("%d m %02d s", int(s)/60, int(s)%60)
	}
	return fmt.Sprintf("%d h %02d m", int(s)/3600, int(s)%3600/60)
}
