package kinds

import (
	"fmt"
	"sync"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// built keeps what was built for a model, so that a thousand nodes that do the same are planned as quickly as one.
type built struct {
	mu       sync.Mutex
	programs map[string]*program.Program
	costs    map[costOf]cost
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
	c := cost{estimate(env, p), program.Multiplications(p)}
	m.built.costs[key] = c
	return c
}
