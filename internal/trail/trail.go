package trail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
)

// Trail is what a run went through, in an order in which the nodes could run.
type Trail struct {
	Form     int    `json:"flow-trail"` // 1
	Workflow string `json:"workflow,omitempty"`
	Class    string `json:"numerics"`
	Edition  string `json:"edition"`
	Release  string `json:"release"`
	Nodes    []Node `json:"nodes"`
}

// Node is one node that stores what it makes.
type Node struct {
	Name    string            `json:"node"`
	Kind    string            `json:"kind"`
	Key     string            `json:"key"`
	Action  json.RawMessage   `json:"action"` // what the key is of
	Outputs map[string]string `json:"outputs"`
	Steps   []string          `json:"steps,omitempty"` // digests of what its loop carried after each step
}

// form is the version of the form that is written.
const form = 1

// Of is the trail of a run, of the nodes that ended well.
func Of(p *plan.Plan, res *sched.Result, release string) *Trail {
	t := &Trail{Form: form, Class: nodes.Class(p.Precision), Edition: p.Edition, Release: release}
	kinds := make(map[string]string)
	for _, s := range p.Steps {
		kinds[s.Name] = s.Kind.ID()
	}
	for _, s := range res.Steps {
		if s.Err != nil || s.Outputs == nil {
			continue
		}
		n := Node{Name: s.Name, Kind: kinds[s.Name], Key: s.Key.String(), Action: json.RawMessage(s.Action), Outputs: make(map[string]string)}
		for port, d := range s.Outputs {
			n.Outputs[port] = d.String()
		}
		for _, d := range s.Steps {
			n.Steps = append(n.Steps, d.String())
		}
		t.Nodes = append(t.Nodes, n)
	}
	return t
}

// Upstream is the part of the trail that a node's result comes from, itself included. Which nodes these are the plan says.
func (t *Trail) Upstream(p *plan.Plan, node string) *Trail {
	needed := map[string]bool{node: true}
	for i := len(p.Steps) - 1; i >= 0; i-- { // readers come after what they read
		s := p.Steps[i]
		if !needed[s.Name] {
			continue
		}
		for _, in := range s.Inputs {
			needed[in.From.Name] = true
		}
		for _, in := range s.Inherited {
			needed[in.From.Name] = true
		}
	}
	out := *t
	out.Nodes = nil
	for _, n := range t.Nodes {
		if needed[n.Name] {
			out.Nodes = append(out.Nodes, n)
		}
	}
	return &out
}

// Node finds a node; nil if there is none of the name.
func (t *Trail) Node(name string) *Node {
	for i := range t.Nodes {
		if t.Nodes[i].Name == name {
			return &t.Nodes[i]
		}
	}
	return nil
}

// Write writes the trail as JSON.
func (t *Trail) Write(w io.Writer) error {
	e := json.NewEncoder(safetext.JSON(w))
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(t)
}

// maxTrail bounds a file that is read.
const maxTrail = 64 << 20

// Read reads a trail, from a file of its own or from a golden's sidecar.
func Read(r io.Reader) (*Trail, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTrail+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxTrail {
		return nil, fmt.Errorf("it has more than %d bytes", maxTrail)
	}
	var outer struct {
		Trail
		Within *Trail `json:"trail"`
	}
	if err := json.Unmarshal(data, &outer); err != nil {
		return nil, fmt.Errorf("it holds no trail of a run: %w", err)
	}
	t := &outer.Trail
	if outer.Within != nil {
		t = outer.Within
	}
	if t.Form != form {
		return nil, errors.New("it holds no trail of a run that this release reads; the sidecars of goldens do")
	}
	return t, nil
}
