package kinds

import (
	"context"
	"fmt"

	"github.com/seed-8af8f8e1/flow/nodes"
)

// Several pictures are denoised at once where that was measured to be quicker (docs/matrix.md): on the processor, with evaluations of the UNet of less than
// batchMACs multiply-adds a picture. For larger ones the gain is a fiftieth or none, and each picture would wait for the others.
const (
	batchMost = 4
	batchMACs = 20e9
)

// batch says whether the step may run with others; c is the shape of its conditioning.
func (op *denoise) batch(env *nodes.Env, s *denoiseSetup, c nodes.Meta, one cost) *nodes.Batch {
	if env.Executor == nil || env.Executor.Name() != "cpu" || float64(one.macs) >= batchMACs*float64(op.steps) {
		return nil
	}
	return &nodes.Batch{
		Key:  fmt.Sprintf("%+v %v %v", s.loop, c.Shape("pooled"), op.sizes),
		Most: batchMost,
		Peak: func(n int) int64 { return s.model.cost(env, s.of(n)).peak },
	}
}

// RunBatch implements nodes.Batcher. Steps that go on from a place of their own run one after the other.
func (op *denoise) RunBatch(ctx context.Context, envs []*nodes.Env, in []nodes.Inputs) ([]map[string]nodes.Value, error) {
	latents := in[0].Stored["latents"].(*nodes.Tensors).List["latents"]
	cond := in[0].Stored["conditioning"].(*nodes.Tensors).List
	s, err := op.setup(envs[0], in[0].Live, latents.Shape, cond["context"].Shape, cond["pooled"].Shape)
	if err != nil {
		return nil, err
	}
	if !fresh(envs, op.steps, carriesOf(s.program)) {
		return op.eachAlone(ctx, envs, in)
	}
	env := *envs[0]
	env.Progress = func(done, total int) {
		for _, e := range envs {
			e.Progress(done, total)
		}
	}
	env.Steps = &together{envs}
	return op.run(ctx, &env, s, in)
}

// eachAlone runs steps one after the other.
func (op *denoise) eachAlone(ctx context.Context, envs []*nodes.Env, in []nodes.Inputs) ([]map[string]nodes.Value, error) {
	out := make([]map[string]nodes.Value, len(in))
	for i := range in {
		made, err := op.Run(ctx, envs[i], in[i])
		if err != nil {
			return nil, err
		}
		out[i] = made
	}
	return out, nil
}

// fresh says that all loops, of so many steps with these carries, begin at their beginning.
func fresh(envs []*nodes.Env, steps int, carries map[string][]int) bool {
	for _, e := range envs {
		if e.Steps != nil {
			if step, _ := e.Steps.Resume(steps, carries); step != 0 {
				return false
			}
		}
	}
	return true
}

// together follows the loop of several steps: each is told of its own part.
type together struct{ envs []*nodes.Env }

// Resume implements nodes.Steps.
func (*together) Resume(int, map[string][]int) (int, map[string]nodes.Tensor) { return 0, nil }

// Done implements nodes.Steps.
func (t *together) Done(step int, state func() map[string]nodes.Tensor) error {
	var parts []map[string]nodes.Tensor
	split := func() {
		for range t.envs {
			parts = append(parts, make(map[string]nodes.Tensor))
		}
		for name, whole := range state() {
			for i, one := range apart(whole, len(t.envs)) {
				parts[i][name] = one
			}
		}
	}
	for i, e := range t.envs {
		if e.Steps == nil {
			continue
		}
		err := e.Steps.Done(step, func() map[string]nodes.Tensor {
			if parts == nil {
				split()
			}
			return parts[i]
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// apart takes a batch of n apart.
func apart(t nodes.Tensor, n int) []nodes.Tensor {
	out := make([]nodes.Tensor, n)
	size := len(t.Data) / n
	for i := range out {
		out[i] = nodes.Tensor{Shape: append([]int{t.Shape[0] / n}, t.Shape[1:]...), Data: t.Data[i*size : (i+1)*size : (i+1)*size]}
	}
	return out
}
