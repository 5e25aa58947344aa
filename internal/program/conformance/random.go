package conformance

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// RunRandom runs a made-up program of two dozen operations, in and around a step loop, as it is built and after each pass,
// and fails where a bit differs or an executor's promise of bits is broken.
func RunRandom(t *testing.T, e program.Executor, seed uint64) {
	c := Case{Name: fmt.Sprint("random ", seed), build: func(b *program.Builder, n int) { (&maker{Builder: b, n: n, r: rand.New(rand.NewPCG(seed, 2))}).all() }}
	prec := []program.Precision{program.F32, program.BF16}[seed%2]
	p := c.Program(prec, 2)
	in, src := c.Inputs(p), c.Source(p)
	want := execute(t, e, p, src, in, 1, program.RunOptions{})
	for name, pass := range map[string]func(*program.Program) *program.Program{
		"prune": program.Prune, "hoist": program.Hoist, "fuse": program.Fuse, "all": program.Optimize,
		"all twice": func(p *program.Program) *program.Program { return program.Optimize(program.Optimize(p)) },
	} {
		q := pass(p)
		same(t, name, execute(t, e, q, src, in, 3, program.RunOptions{}), want)
		if program.MACs(q) > program.MACs(p) {
			t.Errorf("%s makes %d multiply-adds of %d", name, program.MACs(q), program.MACs(p))
		}
	}
}

// maker makes up a program out of images [n,5,6,8] and their rows of pixels [n,30,8].
type maker struct {
	*program.Builder
	r       *rand.Rand
	n       int
	weights int
	values  []program.ID // images, which later operations may read
}

func (m *maker) all() {
	m.values = []program.ID{input(m.Builder, "x", m.n, 5, 6, 8), input(m.Builder, "y", m.n, 5, 6, 8)}
	batch, table := input(m.Builder, "batch", m.n, 8), input(m.Builder, "table", 3, 5, 6, 8)
	for range m.r.IntN(6) {
		m.add(batch)
	}
	before := len(m.values)
	m.Loop(3)
	var carries []program.ID
	for i := range 1 + m.r.IntN(3) {
		c := m.Carry(fmt.Sprint("carry ", i), m.any())
		carries = append(carries, c)
		m.values = append(m.values, c)
	}
	if m.r.IntN(2) == 0 {
		m.values = append(m.values, m.Repeat(m.StepRow(table), m.n))
	}
	for range 4 + m.r.IntN(16) {
		m.add(batch)
	}
	for _, c := range carries {
		m.Next(c, m.any())
	}
	m.EndLoop()
	m.values = append(m.values[:before:before], carries...)
	for range m.r.IntN(6) {
		m.add(batch)
	}
	for i, c := range append(carries, m.any(), m.any()) {
		m.Output(fmt.Sprint("out ", i), c)
	}
}

// any is a value made so far, more often one of the last.
func (m *maker) any() program.ID {
	n := len(m.values)
	return m.values[n-1-min(m.r.IntN(n), m.r.IntN(n))]
}

func (m *maker) weight(shape ...int) program.ID {
	m.weights++
	return m.Weight(fmt.Sprint("w", m.weights), shape...)
}

// add makes one or a few operations that give an image.
func (m *maker) add(batch program.ID) {
	b, x, y := m.Builder, m.any(), m.any()
	acts := []program.Activation{program.SiLU, program.GELU, program.QuickGELU, program.ReLU}
	switch m.r.IntN(10) {
	case 0, 1:
		bias := []program.ID{program.None, batch}[m.r.IntN(2)]
		x = b.Product([]program.Tap{{X: x, W: m.weight(8, 8, 3, 3), KH: 3, KW: 3, PadTop: 1, PadLeft: 1}}, []program.ID{m.weight(8)}, bias)
	case 2:
		w := m.weight(8, 16, 1, 1)
		x = b.Product([]program.Tap{{X: x, W: w}, {X: y, W: w, WOffset: 8}}, nil, program.None)
	case 3:
		t := b.Product([]program.Tap{{X: b.Reshape(x, m.n, 30, 8), W: m.weight(24, 8)}}, []program.ID{m.weight(24)}, program.None)
		x = b.Reshape(b.Product([]program.Tap{{X: b.GEGLU(t), W: m.weight(8, 12)}}, nil, program.None), m.n, 5, 6, 8)
	case 4:
		x = b.GroupNorm(4, 1e-5, m.weight(8), m.weight(8), x)
	case 5:
		both := b.GroupNorm(2, 1e-5, m.weight(16), m.weight(16), x, y)
		x = b.Product([]program.Tap{{X: b.Activate(program.SiLU, both), W: m.weight(8, 16)}}, nil, program.None)
	case 6:
		x = b.Activate(acts[m.r.IntN(len(acts))], x)
	case 7, 8:
		x = b.Add(x, y)
	default:
		t := b.LayerNorm(1e-5, b.Reshape(x, m.n, 30, 8), program.None, program.None)
		x = b.Reshape(b.Attention(t, t, b.Reshape(y, m.n, 30, 8), 2, 0.5, false), m.n, 5, 6, 8)
	}
	m.values = append(m.values, x)
}
