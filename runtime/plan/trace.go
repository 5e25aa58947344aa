package plan

import (
	"maps"

	"github.com/seed-8af8f8e1/flow/nodes"
)

// Traced is what one node adds to a component that a step uses.
type Traced struct {
	Step  *Step          `json:"-"` // nil for one that was read
	Node  string         `json:"node"`
	Kind  string         `json:"kind"`
	Args  map[string]any `json:"args,omitempty"` // in canonical form
	Parts []nodes.Part   `json:"parts"`
}

// Trace tells of what the components that the step uses are made, by "INPUT.COMPONENT", in the order in which nodes add to them. Nodes that add
// nothing to a component are left out, and so is all that m does not know.
func (s *Step) Trace(m nodes.Memo) map[string][]Traced {
	out := make(map[string][]Traced)
	for _, use := range s.Plan.Uses {
		for _, c := range use.Components {
			var chain []Traced
			if own, ok := s.Plan.Own[use.Input]; ok {
				chain = s.adds(own, c, m, nil)
			} else {
				for _, in := range s.Inputs {
					if in.Path == use.Input {
						chain = in.From.chain(in.Port, c, m)
					}
				}
			}
			if len(chain) > 0 {
				out[use.Input+"."+c] = chain
			}
		}
	}
	return out
}

// chain is what a live step and those that it reads add to a component.
func (s *Step) chain(port, component string, m nodes.Memo) []Traced {
	var out []Traced
	for _, in := range s.Inputs {
		if in.Type.Live() {
			out = append(out, in.From.chain(in.Port, component, m)...)
		}
	}
	return s.adds(s.Live[port], component, m, out)
}

// adds appends what a live value of the step adds to a component.
func (s *Step) adds(live nodes.Live, component string, m nodes.Memo, to []Traced) []Traced {
	t, ok := live.(nodes.Traced)
	if !ok {
		return to
	}
	parts := t.Trace(component, m)
	if len(parts) == 0 {
		return to
	}
	args := s.Kind.Action(s.Args)
	return append(to, Traced{Step: s, Node: s.Node, Kind: s.Kind.ID(), Args: maps.Clone(args), Parts: parts})
}
