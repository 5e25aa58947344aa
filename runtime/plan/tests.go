package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

// tests checks what the workflow's tests expect against the kinds of its nodes. Where one of them is planned for, its expectations take the place
// of the outputs, and no file is written. With Options.Tests those of all tests stand beside the outputs.
func (b *builder) tests(p *Plan, planned *spec.Test) {
	if planned != nil {
		p.Outputs = nil
	}
	for _, t := range b.doc.Tests {
		for _, x := range t.Expect {
			from, port, ok := b.target(&spec.Ref{Name: x.Node, Output: x.Output})
			if !ok || !b.expectation(x, from, port) {
				continue
			}
			if t == planned || b.opt.Tests {
				p.Outputs = append(p.Outputs, Output{Name: from.Node + "." + port.Name, Node: from.Node + "." + port.Name, From: from, Port: port.Name, Pos: x.Node.Pos, Expect: x})
			}
		}
	}
}

// expectation checks a golden and its bounds against the type of the output.
func (b *builder) expectation(x *spec.Expectation, from *Step, port nodes.Port) bool {
	name := from.Node + "." + port.Name
	if port.Type.Live() {
		b.errorf(x.Node.Pos, "F0703", "expect latents or a picture", "%s is a %s, which is never stored", name, port.Type)
		return false
	}
	picture := port.Type == nodes.ImageType
	if want := map[bool]string{true: ".png", false: ".safetensors"}[picture]; path.Ext(x.Golden.Text) != want {
		b.errorf(x.Golden.Pos, "F0703", "", "the golden of %s, which is %s, ends in %s", name, port.Type, want)
		return false
	}
	ok := true
	for _, bound := range x.Bounds {
		var fitting []string
		for _, k := range spec.Bounds {
			if picture && k.Images || !picture && k.Tensors {
				fitting = append(fitting, k.Name)
			}
		}
		if !slices.Contains(fitting, bound.Name) {
			ok = false
			b.errorf(bound.Pos, "F0703", "of "+string(port.Type)+" there is "+strings.Join(fitting, ", "), "%s is no bound of %s, which is %s", bound.Name, name, port.Type)
		}
	}
	return ok
}
