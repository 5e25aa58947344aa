package parity

import (
	"context"
	"fmt"
	"math"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
)

// ColumnsBound is for the columns of attention, whose mean is 1; a cell of the mask may differ only where its column is as near to 1.
const ColumnsBound = 1e-5

// SelfAttention compares a sampling run with self-attention guidance: for each kept step the columns of attention, the cells of
// the mask that differ although their column is not within the bound of 1, the degraded latents and the latents.
func (s *Suite) SelfAttention(ctx context.Context, folder string) ([]Row, error) {
	g, err := openGolden(folder, "denoise.safetensors")
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.file.Close() }()
	in, d, err := s.sampling(g)
	if err != nil {
		return nil, err
	}
	r := run{suite: s, golden: g, program: program.Optimize(d.Program()), parts: []string{sdxl.UNet}, bound: DenoiseEnd}
	step, found := 1, 0
	opt := program.RunOptions{
		OnInstr: func(i int, value func(program.ID) program.Tensor) {
			out := r.program.Instrs[i].Out[0]
			columns, degraded := fmt.Sprintf("columns.%d", step), fmt.Sprintf("degraded.%d", step)
			switch op := r.program.Instrs[i].Op.(type) {
			case *program.Attention:
				if op.Columns > 0 && g.has(columns) {
					found++
					r.columns(columns, value(r.program.Instrs[i].Out[1]))
				}
			case *program.Degrade:
				if g.has(degraded) {
					r.compare(degraded, value(out))
				}
			}
		},
		OnStep: func(done int, state func() map[string]program.Tensor) error {
			if name := fmt.Sprintf("latents.%d", done); g.has(name) {
				r.compare(name, state()["latents"])
			}
			step = done + 1
			return nil
		},
	}
	if _, err := r.run(ctx, in, opt); err != nil {
		return nil, err
	}
	if found == 0 && r.err == nil {
		r.err = fmt.Errorf("%s: no columns were compared", folder)
	}
	return r.rows, r.err
}

// columns compares columns of attention and the mask that they make.
func (r *run) columns(name string, got program.Tensor) {
	bound := r.bound
	r.bound = ColumnsBound
	r.compare(name, got)
	r.bound = bound
	want, err := r.golden.tensor(name)
	if err != nil {
		r.err = err
		return
	}
	flipped := 0
	for i, c := range want.F {
		if i < len(got.F) && (c > 1) != (got.F[i] > 1) && math.Abs(float64(c)-1) > ColumnsBound {
			flipped++
		}
	}
	r.rows = append(r.rows, Row{name + " mask, cells", float64(flipped), 0})
}
