package trial

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/golden"
	"github.com/seed-8af8f8e1/flow/internal/trail"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/spec"
)

// judge holds what a test made against its goldens, and does about them what the mode says. again runs the test once more where steps are
// needed that the cache does not have.
func (o *Options) judge(t *Test, p *plan.Plan, root *os.Root, values map[string]nodes.Value, run *capture, again func() (*capture, error)) error {
	t.State = Pass
	for _, x := range t.Expected {
		x.Got = values[x.Output]
		node, _, _ := strings.Cut(x.Output, ".")
		up := t.Trail.Upstream(p, node)
		g, err := golden.Read(root, x.Golden, x.of)
		var problem *golden.Problem
		if err != nil && !errors.As(err, &problem) {
			return err
		}
		if problem != nil {
			x.State, x.Reason = Differs, problem.Message
			if problem.Missing && o.Mode == Compare {
				x.Reason += "; flow test --update writes it"
			}
		} else {
			x.Want, x.Was = g.Value, &g.Sidecar
			x.compare(t.Class)
		}
		l := loop(p, up)
		different := x.Want != nil && x.Want.Digest() != x.Got.Digest()
		if l != nil && !run.whole(l) && (different || x.State != Pass && o.Mode != Compare) {
			if run, err = again(); err != nil {
				return err
			}
		}
		if different {
			x.locate(t, g, up, run)
		}
		if err := o.update(t, x, root, up, l, run); err != nil {
			return err
		}
		t.State = worst(t.State, x.State)
	}
	return nil
}

// compare decides whether the value passes.
func (x *Expected) compare(class string) {
	other := ""
	if x.Was.Class != class {
		other = fmt.Sprintf(" (the golden is of %s, this run of %s)", x.Was.Class, class)
	}
	if x.Was.Digest == x.Got.Digest().String() {
		x.State, x.Reason = Pass, "the same bits"+other
		return
	}
	d, err := golden.Measure(x.Want, x.Got)
	if err != nil {
		x.State, x.Reason = Fail, err.Error()
		return
	}
	x.Difference = d
	if len(x.expectation.Bounds) == 0 {
		x.State, x.Reason = Fail, "other bits, and the test states no bound"+other
		return
	}
	x.Verdicts = d.Judge(x.expectation.Bounds)
	var broken, held []string
	for _, v := range x.Verdicts {
		if v.Holds {
			held = append(held, v.Bound.Name+" "+golden.Number(v.Measured))
		} else {
			broken = append(broken, v.String())
		}
	}
	x.State, x.Reason = Pass, "other bits, within the bounds: "+strings.Join(held, ", ")+other
	if broken != nil {
		x.State, x.Reason = Fail, strings.Join(broken, "; ")+other
	}
}

// locate finds where the run left the golden: within its class the first node and step that differ, across classes the first kept step
// outside the bounds.
func (x *Expected) locate(t *Test, g *golden.Golden, up *trail.Trail, run *capture) {
	if g.Class == t.Class {
		x.Divergence = trail.Diverge(g.Trail, up)
		return
	}
	bounds := stepBounds(t, g.Loop)
	for _, step := range g.Kept {
		now := run.kept[g.Loop][step]
		if now == nil {
			continue
		}
		d, err := golden.Measure(&nodes.Tensors{List: golden.Near(g.Steps[step], now)}, &nodes.Tensors{List: now})
		if err != nil {
			continue // another size: the values tell
		}
		s := StepDifference{Node: g.Loop, Step: step, Cosine: d.Cosine, MaxAbs: d.MaxAbs, Within: true}
		for _, v := range d.Judge(bounds) {
			s.Within = s.Within && v.Holds
		}
		x.Across = append(x.Across, s)
		if !s.Within && x.First == nil {
			x.First = &s
		}
	}
}

// StepCosine is the bound of a loop's steps, across classes, where the test states none for what the loop makes: it names a step, and
// decides nothing.
const StepCosine = 0.999

// stepBounds are the bounds that the test states for what a loop makes.
func stepBounds(t *Test, node string) []spec.Bound {
	for _, x := range t.Expected {
		if n, _, _ := strings.Cut(x.Output, "."); n == node && len(x.expectation.Bounds) > 0 {
			return x.expectation.Bounds
		}
	}
	return []spec.Bound{{Name: "cosine", Limit: StepCosine, Text: fmt.Sprint(StepCosine)}}
}

// Where says where the run left the golden; empty where it did not, or that is not known.
func (x *Expected) Where() string {
	switch {
	case x.Divergence != nil:
		return "first divergence: " + x.Divergence.String()
	case x.First != nil:
		return fmt.Sprintf("first kept step outside the bounds: node %q, step %d: cosine %.6f, max-abs %s", x.First.Node, x.First.Step, x.First.Cosine, golden.Number(x.First.MaxAbs))
	case x.Across != nil:
		last := x.Across[len(x.Across)-1]
		return fmt.Sprintf("all %d kept steps of node %q are within the bounds; the last has a cosine of %.6f", len(x.Across), last.Node, last.Cosine)
	}
	return ""
}

// update rewrites or stages a golden that was not met.
func (o *Options) update(t *Test, x *Expected, root *os.Root, up *trail.Trail, l *plan.Step, run *capture) error {
	if o.Mode == Compare {
		return nil
	}
	if x.State == Pass {
		return golden.Discard(root, x.Golden)
	}
	node, _, _ := strings.Cut(x.Output, ".")
	g := &golden.Golden{Value: x.Got, Sidecar: golden.Sidecar{Workflow: fromGolden(x.Golden, t.File), Test: t.Name, Output: x.Output, Class: t.Class,
		Key: up.Node(node).Key, Release: o.Release, Trail: up}}
	if l != nil && run.kept[l.Name] != nil {
		g.Loop, g.Steps = l.Name, run.kept[l.Name]
		for step := range g.Steps {
			g.Kept = append(g.Kept, step)
		}
		slices.Sort(g.Kept)
	}
	if err := g.Write(root, x.Golden, o.Mode == Stage); err != nil {
		return fmt.Errorf("the golden of %s: %w", x.Output, err)
	}
	if o.Mode == Stage {
		x.Wrote = "staged"
		return nil
	}
	x.State, x.Wrote = Updated, "rewrote"
	return golden.Discard(root, x.Golden)
}

// fromGolden is the path from a golden's folder to its workflow, with slashes.
func fromGolden(name, workflow string) string {
	return strings.Repeat("../", strings.Count(path.Clean(name), "/")) + filepath.Base(workflow)
}
