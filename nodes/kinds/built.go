package kinds

import (
	"fmt"
	"sync"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/tokenizer"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// built keeps what was built for a model, so that a thousand nodes that do the same are planned as quickly as one.
type built struct {
	mu         sync.Mutex
	programs   map[string]*program.Program
	costs      map[costOf]cost
	tokenizers map[string]*tokenizer.Tokenizer
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

// tokenizer gives the tokenizer of text encoder 0 or 1.
func (m *model) tokenizer(i int, e edition.Edition) (*tokenizer.Tokenizer, error) {
	name := [2]string{tokenizerPart, tokenizerPart2}[i]
	m.built.mu.Lock()
	defer m.built.mu.Unlock()
	key := name + " " + e.Name
	if t := m.built.tokenizers[key]; t != nil {
		return t, nil
	}
	files, err := m.base.Files.Tokenizer(name)
	if err != nil {
		return nil, err
	}
	t, err := tokenizer.ForModel(files, i == 1, e)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", name, m.base.Files.Path(), err)
	}
	if t.Len() > m.base.Text[i].MaxPositions {
		return nil, fmt.Errorf("%s of %s makes %d tokens, the text encoder takes %d", name, m.base.Files.Path(), t.Len(), m.base.Text[i].MaxPositions)
	}
	if id, vocab := t.MarkID(), m.base.Text[i].Vocab; id >= vocab {
		said := "its files"
		if len(files) == 0 {
			said = "the public CLIP vocabulary, as the model has no tokenizer files"
		}
		return nil, fmt.Errorf("%s of %s marks texts with id %d, by %s; the text encoder knows %d", name, m.base.Files.Path(), id, said, vocab)
	}
	if m.built.tokenizers == nil {
		m.built.tokenizers = make(map[string]*tokenizer.Tokenizer)
	}
	m.built.tokenizers[key] = t
	return t, nil
}
