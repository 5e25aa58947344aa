package report

import "github.com/seed-8af8f8e1/flow/internal/safetext"

// Param is a resolved parameter; Given says that it was given from outside, or by the test, and Varied that it differs between the cells of
// a matrix: then Value lists its values.
type Param struct {
	Name, Value   string
	Given, Varied bool
}

// Divergence is where a run left its golden, in words, with the place if it is known.
type Divergence struct {
	Node string
	Step int
	Text string
	// Across are the kept steps of two classes, compared.
	Across []Kept
}

// Kept is a kept step held against a run.
type Kept struct {
	Step   int
	Cosine float64
	MaxAbs float64
	Within bool
}

// States of tests and expectations as a report tells them.
const (
	Passed  = "pass"
	Failed  = "fail"
	Errored = "error" // the run failed, the file is wrong, or a golden is missing or damaged
	Skipped = "not run"
	Changed = "updated"
)

// Test is one test.
type Test struct {
	File, Name, Doc, Tier string
	Line, Column          int
	State                 string
	Message               string
	Seconds               float64
	Class, Edition        string
	Params                []Param
	Expected              []*Expected
	Run                   *Run // what the run went through; nil where it did not run
}

// Expected is one expectation of a test.
type Expected struct {
	Output, Golden string
	Line, Column   int
	State          string
	Reason         string
	Wrote          string
	GoldenClass    string
	GoldenRelease  string
	Measures       []Measure
	Want, Got      []byte // pictures, as PNG; nil for what is none
	Heat           []byte // where they differ, as PNG
	HeatMost       int    // the difference at the end of the heat map's scale
	Where          Divergence
}

// Measure is one measured value, with the bound that it has to keep if there is one.
type Measure struct {
	Name, Value, Bound string
	Broken             bool
}

// Label is the test's name with its file.
func (t *Test) Label() string { return t.File + ": " + t.Name }

// Causes lists why the test did not pass, one an expectation, each with where the run left the golden.
func (t *Test) Causes() []Cause {
	var out []Cause
	if t.Message != "" && t.State != Passed && t.State != Skipped {
		out = append(out, Cause{t.Message, t.Line, t.Column})
	}
	for _, x := range t.Expected {
		if x.State != Failed && x.State != Errored {
			continue
		}
		text := safetext.Line(x.Output + " against " + x.Golden + ": " + x.Reason)
		if x.Where.Text != "" {
			text += "\n" + safetext.Line(x.Where.Text)
		}
		c := Cause{text, x.Line, x.Column}
		if c.Line == 0 {
			c.Line, c.Column = t.Line, t.Column
		}
		out = append(out, c)
	}
	return out
}

// Cause is why a test did not pass, with its place in the file.
type Cause struct {
	Text         string
	Line, Column int
}
