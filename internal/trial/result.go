package trial

import (
	"github.com/seed-8af8f8e1/flow/internal/golden"
	"github.com/seed-8af8f8e1/flow/internal/trail"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
	"github.com/seed-8af8f8e1/flow/spec"
)

// State is how a test, or one expectation of it, ended.
type State string

// States, from the best to the worst.
const (
	Left    State = "not run" // its tier or name was not asked for
	Pass    State = "pass"
	Updated State = "updated" // it failed, and its golden was rewritten
	Differs State = "golden"  // the lock or a golden is missing, or not what it says
	Fail    State = "fail"    // outside the bounds
	Broken  State = "error"   // the run failed
	Wrong   State = "invalid" // the file is wrong
)

// order ranks states, the worst last.
var order = []State{Left, Pass, Updated, Differs, Fail, Broken, Wrong}

// File is what became of one workflow file.
type File struct {
	Path        string
	Diagnostics []spec.Diagnostic
	Tests       []*Test
}

// Param is a parameter's value in a test; Given says that the test names it.
type Param struct {
	Name, Value string
	Given       bool
}

// Test is what became of one test.
type Test struct {
	File, Name, Doc, Tier string
	Pos                   spec.Pos
	State                 State
	Message               string // why, where no expectation tells
	Seconds               float64
	Class, Edition        string
	Params                []Param
	Expected              []*Expected
	Plan                  *plan.Plan // closed; for who draws it
	Steps                 []sched.StepResult
	Trail                 *trail.Trail
}

// Expected is what became of one expectation.
type Expected struct {
	Output, Golden string // NODE.OUTPUT, and the file
	Pos            spec.Pos
	State          State
	Reason         string // what decided
	Difference     *golden.Difference
	Verdicts       []golden.Verdict
	Want, Got      nodes.Value
	Was            *golden.Sidecar   // the golden's; nil where there is none
	Divergence     *trail.Divergence // within the golden's class
	Across         []StepDifference  // across classes: every kept step
	First          *StepDifference   // the first of them outside the bounds; nil where all are within
	Wrote          string            // "rewrote" or "staged"
	expectation    *spec.Expectation
	of             nodes.Type
}

// StepDifference is how far what a loop carried is from a kept step.
type StepDifference struct {
	Node   string
	Step   int
	Cosine float64
	MaxAbs float64
	Within bool
}

// worst is the worse of two states.
func worst(a, b State) State {
	for i := len(order) - 1; i >= 0; i-- {
		if order[i] == a || order[i] == b {
			return order[i]
		}
	}
	return a
}

// Worst is the worst state of all tests of all files.
func Worst(files []*File) State {
	out := Left
	for _, f := range files {
		if spec.Failed(f.Diagnostics) {
			out = worst(out, Wrong)
		}
		for _, t := range f.Tests {
			out = worst(out, t.State)
		}
	}
	return out
}

// Counts counts tests by state.
func Counts(files []*File) map[State]int {
	out := make(map[State]int)
	for _, f := range files {
		for _, t := range f.Tests {
			out[t.State]++
		}
	}
	return out
}
