package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/graph"
	"github.com/seed-8af8f8e1/flow/internal/report"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
	"github.com/seed-8af8f8e1/flow/spec"
)

// tee gives events to several sinks.
type tee []event.Sink

// Emit implements event.Sink.
func (t tee) Emit(e event.Event) {
	for _, s := range t {
		s.Emit(e)
	}
}

// watch lets a report see a run with these options.
func watch(opt *flowruntime.Options) *report.Run {
	r := new(report.Run)
	opt.Sink = tee{opt.Sink, r}
	opt.Follow = func(s *plan.Step, step int, state map[string]nodes.Tensor) {
		t, ok := state["latents"]
		if !ok || len(t.Shape) != 4 || t.Shape[0] != 1 || !report.Keeps(step, s.Plan.Steps) {
			return
		}
		r.Follow(s.Name, report.Latents{Step: step, Height: t.Shape[1], Width: t.Shape[2], Channels: t.Shape[3], Data: t.Data})
	}
	return r
}

// planned fills in what a plan says of a run; rows are nil where memory is not known.
func planned(r *report.Run, p *plan.Plan, rows []sched.Row, given func(param string) bool) {
	r.File, r.Name = p.Doc.File, p.Doc.Name.Text
	r.Class, r.Edition, r.Device = nodes.Class(p.Precision), p.Edition, p.Device
	r.Graph = graph.Of(p)
	for _, x := range p.Doc.Params {
		if list := valuesIn(p, x.Name.Text); len(list) > 1 {
			r.Params = append(r.Params, report.Param{Name: x.Name.Text, Value: strings.Join(list, ", "), Varied: true})
		} else if v := x.Value(); v != nil {
			r.Params = append(r.Params, report.Param{Name: x.Name.Text, Value: v.Text, Given: given(x.Name.Text)})
		}
	}
	ran := r.Nodes
	r.Nodes = nil
	for i, s := range p.Steps {
		if !s.Needed {
			continue
		}
		n := &report.Node{Name: s.Name}
		if at := slices.IndexFunc(ran, func(n *report.Node) bool { return n.Name == s.Name }); at >= 0 {
			n = ran[at]
		}
		n.Kind = s.Kind.ID()
		if rows != nil && !s.Kind.Live() {
			n.Peak = rows[i].Peak
		}
		r.Nodes = append(r.Nodes, n)
	}
}

// valuesIn lists the values that a parameter has in the cells of a matrix.
func valuesIn(p *plan.Plan, param string) []string {
	var out []string
	seen := make(map[string]bool)
	for _, c := range p.Cells {
		if v := c.Doc.Param(param).Value(); v != nil && !seen[v.Text] {
			seen[v.Text] = true
			out = append(out, v.Text)
		}
	}
	return out
}

// gives says which parameters were given from outside.
func gives(overrides []spec.Override) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(overrides, func(o spec.Override) bool { return o.Name == name })
	}
}

// loopOf is the last step with a loop that a step comes from; empty for none.
func loopOf(s *plan.Step) string {
	if s.Plan.Steps > 0 {
		return s.Name
	}
	for _, in := range s.Inputs {
		if !in.Type.Live() {
			if loop := loopOf(in.From); loop != "" {
				return loop
			}
		}
	}
	return ""
}

// pictured lists the pictures that a run is to make.
func pictured(r *report.Run, p *plan.Plan) {
	for _, o := range p.Outputs {
		r.Pictures = append(r.Pictures, report.Picture{Label: o.Name, Loop: loopOf(o.From)})
	}
	for _, g := range gridsOf(p) {
		x := report.Grid{Output: g.output, Columns: g.Columns}
		for _, row := range g.Rows {
			at := make([]int, len(row.Cells))
			for i, c := range row.Cells {
				at[i] = -1
				if c >= 0 {
					at[i] = g.outputs[c]
				}
			}
			x.Rows = append(x.Rows, report.GridRow{Label: row.Label, Pictures: at})
		}
		for _, c := range g.Loose {
			x.Loose = append(x.Loose, report.Placed{Label: p.Cells[c].Label, Picture: g.outputs[c]})
		}
		r.Grids = append(r.Grids, x)
	}
}

// machineWords says what runs this.
func machineWords() string {
	return fmt.Sprintf("%s/%s, kernels %s, %d processors", runtime.GOOS, runtime.GOARCH, kernel.Best().Name, runtime.GOMAXPROCS(0))
}

// manyPictures is the number of pictures that a page shows whole; of more it shows smaller ones.
const manyPictures = 24

// writeRun writes the report of one run, with the pictures that it has written.
func writeRun(path string, r *report.Run) error {
	for i, p := range r.Pictures {
		if p.Path == "" {
			continue
		}
		data, err := os.ReadFile(p.Path)
		if err != nil {
			return &exitError{exitRun, "the report: " + err.Error()}
		}
		if len(r.Pictures) > manyPictures {
			data = thumbnail(data)
		}
		r.Pictures[i].PNG = data
	}
	title := r.Name
	if title == "" {
		title = r.File
	}
	return writePage(path, &report.Page{Title: title, Runs: []*report.Run{r}})
}

// writePage writes a page into a file.
func writePage(path string, p *report.Page) error {
	p.Release, p.Machine = release(), machineWords()
	if err := create(path, p.HTML); err != nil {
		return &exitError{exitRun, "the report: " + err.Error()}
	}
	return nil
}

// testPage makes the page of tests.
func testPage(tests []*report.Test, orphans, staged []string) *report.Page {
	return &report.Page{Title: "flow test", Tests: tests, Orphans: orphans, Staged: staged}
}

// png is a picture as a page shows it; nil for what is none.
func png(v nodes.Value) []byte {
	m, ok := v.(*nodes.Image)
	if !ok || m == nil {
		return nil
	}
	data, err := nodes.EncodePNG(m)
	if err != nil {
		return nil
	}
	return data
}
