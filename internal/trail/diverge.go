package trail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/runtime/why"
)

// Divergence is where two trails part first.
type Divergence struct {
	Node    string
	Kind    string
	Step    int      // of the node's loop, from 1; 0 where it has none, or its steps are not known
	Steps   int      // of the loop
	Changes []Change // what the node was asked otherwise; none: it was asked the same, and the engine made something else of it
	// Missing says that the node is in one of the two alone, and in which.
	Missing string
}

// Change is one part of an action that two runs have otherwise, as it is shown: on one line, digests cut to what tells them apart.
type Change struct {
	Path string `json:"path"`          // in the action document: args.NAME, inputs.NAME, numerics, edition, kind
	Was  string `json:"was,omitempty"` // empty for none
	Now  string `json:"now,omitempty"`
}

// String is the change on one line.
func (c Change) String() string {
	none := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	if c.Was == "" && c.Now == "" {
		return c.Path
	}
	return fmt.Sprintf("%s: %s -> %s", c.Path, none(c.Was), none(c.Now))
}

// Diverge finds the first node, in b's order, that made something else in b than in a; nil if there is none. Nodes are told apart by name.
// a is spoken of as was, b as is.
func Diverge(a, b *Trail) *Divergence {
	for i := range b.Nodes {
		now := &b.Nodes[i]
		was := a.Node(now.Name)
		switch {
		case was == nil && a.made(now):
			continue // under another name
		case was == nil:
			return &Divergence{Node: now.Name, Kind: now.Kind, Missing: "it is new"}
		case maps.Equal(was.Outputs, now.Outputs):
			continue
		}
		d := &Divergence{Node: now.Name, Kind: now.Kind, Steps: len(now.Steps), Changes: changes(was, now)}
		for i := range min(len(was.Steps), len(now.Steps)) {
			if was.Steps[i] != now.Steps[i] {
				d.Step = i + 1
				break
			}
		}
		if both := min(len(was.Steps), len(now.Steps)); d.Step == 0 && both > 0 && len(was.Steps) != len(now.Steps) { // the shorter one ended
			d.Step, d.Steps = both+1, max(len(was.Steps), len(now.Steps))
		}
		return d
	}
	for i := range a.Nodes {
		if was := &a.Nodes[i]; b.Node(was.Name) == nil && !b.made(was) {
			return &Divergence{Node: was.Name, Kind: was.Kind, Missing: "it is gone"}
		}
	}
	return nil
}

// made says whether a run has made what a node made, under whatever name.
func (t *Trail) made(n *Node) bool {
	return slices.ContainsFunc(t.Nodes, func(x Node) bool { return x.Kind == n.Kind && maps.Equal(x.Outputs, n.Outputs) })
}

// String says where and why, on one line.
func (d *Divergence) String() string {
	s := fmt.Sprintf("node %q (%s)", d.Node, d.Kind)
	if d.Missing != "" {
		return s + ": " + d.Missing
	}
	if d.Step > 0 {
		s += fmt.Sprintf(", step %d of %d", d.Step, d.Steps)
	}
	if len(d.Changes) == 0 {
		return s + ": asked the same, it made something else: the engine changed"
	}
	texts := make([]string, len(d.Changes))
	for i, c := range d.Changes {
		texts[i] = c.String()
	}
	return s + ": " + strings.Join(texts, "; ")
}

// changes lists what two actions ask otherwise, by path.
func changes(was, now *Node) []Change {
	if was.Key == now.Key {
		return nil
	}
	a, b := flatten(was.Action), flatten(now.Action)
	paths := slices.Sorted(maps.Keys(b))
	for p := range a {
		if _, ok := b[p]; !ok {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	var out []Change
	for _, p := range paths {
		if x, y := a[p], b[p]; x != y {
			was, now := why.Beside(brief(x), brief(y))
			out = append(out, Change{safetext.Line(p), safetext.Line(was), safetext.Line(now)})
		}
	}
	if len(out) == 0 {
		out = append(out, Change{Path: "its action has another key"})
	}
	return out
}

// flatten lists the scalars of a JSON document by path.
func flatten(doc json.RawMessage) map[string]string {
	out := make(map[string]string)
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return out
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		at := func(key string) string { return strings.TrimPrefix(path+"."+key, ".") }
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				walk(at(k), x)
			}
		case []any:
			for i, x := range v {
				walk(at(fmt.Sprint(i)), x)
			}
		default:
			out[path] = why.Show(v)
		}
	}
	walk("", v)
	return out
}

// brief is a value with a digest cut to what tells it apart.
func brief(s string) string {
	if len(s) == 66 && strings.Trim(s[1:65], "0123456789abcdef") == "" {
		return s[1:13]
	}
	return s
}
