package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/seed-8af8f8e1/flow/internal/picture"
	"github.com/seed-8af8f8e1/flow/internal/sheet"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// cellGrid is where the cells of a matrix stand, with the output of each.
type cellGrid struct {
	*sheet.Grid
	output  string
	outputs []int // by cell: numbers into the plan's
}

// gridsOf lays out the cells of a plan, once for each output of the file.
func gridsOf(p *plan.Plan) []cellGrid {
	if p.Cells == nil {
		return nil
	}
	var axes []string
	for _, a := range p.Doc.Matrix.Axes {
		axes = append(axes, a.Name.Text)
	}
	var cells []sheet.Cell
	place := make(map[*plan.Cell]int)
	for i, c := range p.Cells {
		place[c] = i
		cells = append(cells, sheet.Cell{Label: c.Label, At: c.At, Labels: c.Labels})
	}
	grid := sheet.Lay(axes, cells)
	var out []cellGrid
	for i, o := range p.Outputs {
		at := slices.IndexFunc(out, func(g cellGrid) bool { return g.output == o.Node })
		if at < 0 {
			at = len(out)
			out = append(out, cellGrid{grid, o.Node, make([]int, len(cells))})
		}
		for _, c := range o.Cells {
			if n, ok := place[c]; ok {
				out[at].outputs[n] = i
			}
		}
	}
	return out
}

// contact is a contact sheet in the making: it sees where pictures are written.
type contact struct {
	file  flowruntime.Picture
	mu    sync.Mutex
	paths map[string]string // by output
}

// newContact makes a sheet that will be written to a file; it sees the events of a run with these options.
func newContact(file string, opt *flowruntime.Options) *contact {
	c := &contact{file: flowruntime.Picture{File: file, Force: opt.Force}, paths: make(map[string]string)}
	opt.Sink = tee{opt.Sink, c}
	return c
}

// Emit implements event.Sink.
func (c *contact) Emit(e event.Event) {
	if e.Type == event.OutputDone {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.paths[e.Output] = e.Path
	}
}

// check says before a run why there can be no sheet.
func (c *contact) check(w *flowruntime.Workflow, folder string) error {
	if w.Plan.Cells == nil {
		return &exitError{exitFile, "--sheet: the workflow has no matrix; a sheet shows its cells"}
	}
	if filepath.Ext(c.file.File) != ".png" {
		return &exitError{exitFile, fmt.Sprintf("--sheet %s: a sheet is a picture; end it in .png", c.file.File)}
	}
	for _, o := range w.Plan.Outputs {
		if filepath.Clean(filepath.Join(folder, filepath.FromSlash(o.Path))) == filepath.Clean(c.file.File) {
			return &exitError{exitFile, fmt.Sprintf("--sheet %s is the file of output %s; give it another name", c.file.File, o.Name)}
		}
	}
	if err := c.file.Check(); err != nil {
		return &exitError{exitRun, "the contact sheet: " + err.Error()}
	}
	return nil
}

// write writes the sheet of a run that has ended.
func (c *contact) write(p *plan.Plan) error {
	var sections []sheet.Section
	grids := gridsOf(p)
	for _, g := range grids {
		s := sheet.Section{Grid: g.Grid}
		if len(grids) > 1 {
			s.Title = g.output
		}
		for i, cell := range p.Cells {
			m, err := c.picture(p.Outputs[g.outputs[i]].Name)
			if err != nil {
				return &exitError{exitRun, "the contact sheet: " + err.Error()}
			}
			s.Labels, s.Pictures = append(s.Labels, cell.Label), append(s.Pictures, m)
		}
		sections = append(sections, s)
	}
	m := sheet.Draw(sections)
	if err := c.file.Write(&nodes.Image{Width: m.Width, Height: m.Height, Pix: m.Pix}); err != nil {
		return &exitError{exitRun, "the contact sheet: " + err.Error()}
	}
	return nil
}

// picture reads what was written for an output; nil where nothing was.
func (c *contact) picture(output string) (*picture.Image8, error) {
	path := c.paths[output]
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := nodes.DecodePNG(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return sheet.Smaller(&picture.Image8{Width: m.Width, Height: m.Height, Pix: m.Pix}, sheet.Side), nil
}

// thumbnail makes a picture smaller; what is none stays.
func thumbnail(data []byte) []byte {
	m, err := nodes.DecodePNG(data)
	if err != nil {
		return data
	}
	small := sheet.Smaller(&picture.Image8{Width: m.Width, Height: m.Height, Pix: m.Pix}, sheet.Side)
	out, err := nodes.EncodePNG(&nodes.Image{Width: small.Width, Height: small.Height, Pix: small.Pix})
	if err != nil {
		return data
	}
	return out
}
