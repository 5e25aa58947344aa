package bisect

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed-8af8f8e1/flow/internal/trail"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Read reads and plans a workflow with changed options; done lets go of the device that it runs on.
type Read func(change func(*flowruntime.Options)) (w *flowruntime.Workflow, done func(), err error)

// Side is one of two runs.
type Side struct {
	Name  string
	Trail *trail.Trail
	// Of a run, not of a record:
	doc    *spec.Document
	values map[string]nodes.Value // by NODE.OUTPUT
	step   func(ctx context.Context, node string, step int) (map[string]nodes.Tensor, error)
}

// Record is the side of a run of which its trail alone is left.
func Record(name string, t *trail.Trail) *Side { return &Side{Name: name, Trail: t} }

// Run runs a workflow, as far as the cache does not know it, and keeps what every node of it made.
func Run(ctx context.Context, name, release string, read Read) (*Side, error) {
	w, done, err := read(func(*flowruntime.Options) {})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	defer done()
	watchAll(w.Plan)
	res, values, err := w.Collect(ctx)
	if err == nil {
		err = res.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := &Side{Name: name, Trail: trail.Of(w.Plan, res, release), doc: w.Plan.Doc, values: values}
	keys := make(map[string]cache.ActionKey)
	for _, x := range res.Steps {
		keys[x.Name] = x.Key
	}
	s.step = func(ctx context.Context, node string, step int) (map[string]nodes.Tensor, error) {
		return carried(ctx, read, node, keys[node], step)
	}
	return s, nil
}

// watchAll makes every stored value of a plan an output, so that none goes before it was seen.
func watchAll(p *plan.Plan) {
	p.Outputs = nil
	for _, s := range p.Steps {
		if !s.Needed || s.Kind.Live() {
			continue
		}
		for port := range s.Plan.Outputs {
			p.Outputs = append(p.Outputs, plan.Output{Name: s.Name + "." + port, From: s, Port: port, Pos: s.Pos})
		}
	}
}

// carried runs one node once more, the others from the cache, and gives what its loop carried after a step.
func carried(ctx context.Context, read Read, node string, key cache.ActionKey, step int) (map[string]nodes.Tensor, error) {
	var mu sync.Mutex
	var found map[string]nodes.Tensor
	w, done, err := read(func(o *flowruntime.Options) {
		o.Store = without{o.Store, key}
		o.Follow = func(s *plan.Step, i int, state map[string]nodes.Tensor) {
			mu.Lock()
			defer mu.Unlock()
			if s.Name == node && i == step {
				found = state
			}
		}
	})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	defer done()
	res, _, err := w.Collect(ctx)
	if err == nil {
		err = res.Err
	}
	return found, err
}

// without is a store that has not seen one action.
type without struct {
	cache.Store
	key cache.ActionKey
}

// Get implements [cache.Store].
func (s without) Get(key cache.ActionKey) (*cache.Record, error) {
	if key == s.key {
		return nil, &cache.Miss{Reason: cache.NeverRun, Key: key}
	}
	return s.Store.Get(key)
}
