package kinds

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// built keeps what was built for a model, so that a thousand nodes that do the same are planned as quickly as one.
type built struct {
	mu       sync.Mutex
	programs map[string]*program.Program
	costs    map[costOf]cost
	weighed  map[*program.Program]int64
}

type costOf struct {
	program *program.Program
	threads int
}

// cost is the working memory and the multiply-adds of a program.
type cost struct{ peak, macs int64 }

// program gives the optimized program of a description, which says all that decides it but the model's own
// patches.
func (m *model) program(description any, build func() *program.Program) *program.Program {
	key := fmt.Sprintf("%T %+v", description, description)
	m.built.mu.Lock()
	defer m.built.mu.Unlock()
	if p := m.built.programs[key]; p != nil {
		return p
	}
	if m.built.programs == nil {
		m.built.programs = make(map[string]*program.Program)
	}
	p := program.Optimize(build())
	m.built.programs[key] = p
	return p
}

// types says of which types the weights of a program are in the model's files, patched; nil where a component cannot be opened, which is told when it is used.
func (m *model) types(p *program.Program) program.TypeSource {
	var components []string
	for _, w := range p.Weights() {
		name, _, _ := strings.Cut(w.Name, "/")
		if m.hasWeights(name) && !slices.Contains(components, name) {
			components = append(components, name)
		}
	}
	src, err := m.weights(components...)
	if err != nil {
		return nil
	}
	return src
}

// cost estimates a program of the model.
func (m *model) cost(env *nodes.Env, p *program.Program) cost {
	m.built.mu.Lock()
	defer m.built.mu.Unlock()
	key := costOf{p, env.Threads}
	if c, ok := m.built.costs[key]; ok {
		return c
	}
	if m.built.costs == nil {
		m.built.costs = make(map[costOf]cost)
	}
	c := cost{estimate(env, p, func() program.TypeSource { return m.types(p) }), program.Multiplications(p)}
	m.built.costs[key] = c
	return c
}

// weigh gives the bytes of weights of some components that a program of the model has in memory beside its PeakBytes. These count weights that
// patches change as a whole, so they are not counted here.
func (m *model) weigh(env *nodes.Env, p *program.Program, components ...string) int64 {
	m.built.mu.Lock()
	defer m.built.mu.Unlock()
	if n, ok := m.built.weighed[p]; ok {
		return n
	}
	src, err := m.weights(components...)
	if err != nil {
		return 0 // the run will say so
	}
	if m.built.weighed == nil {
		m.built.weighed = make(map[*program.Program]int64)
	}
	n := weigh(env, p, src) - m.merged(components...)
	m.built.weighed[p] = n
	return n
}
