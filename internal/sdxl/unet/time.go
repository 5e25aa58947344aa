package unet

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/nn"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// times is how the embedding of the timestep lies: the rows of all steps of a loop below each other, for each step one for each
// batch entry. Nothing in it varies from step to step, so that [program.Hoist] has it, and what each ResNet makes of it, computed once
// before the loop: one product reads the weights once for all steps. Outside a loop there is one step.
type times struct {
	steps int // 0 outside a loop
	batch int
	emb   ID // activated embedding [S*B,4*channels]
}

// ofSteps repeats a row for each step, [S,n], for each batch entry: [S*B,n].
func (t *times) ofSteps(b *program.Builder, x ID) ID {
	if t.steps <= 1 {
		return b.Repeat(x, t.batch)
	}
	if t.batch == 1 {
		return x
	}
	n := b.Dim(x, -1)
	beside := make([]ID, t.batch)
	for i := range beside {
		beside[i] = x
	}
	return b.Reshape(b.Concat(-1, beside...), t.steps*t.batch, n)
}

// ofEntries repeats rows of the batch entries, [B,n], for each step: [S*B,n].
func (t *times) ofEntries(b *program.Builder, x ID) ID {
	if t.steps <= 1 {
		return x
	}
	n := b.Dim(x, -1)
	return b.Reshape(b.Repeat(b.Reshape(x, 1, t.batch*n), t.steps), t.steps*t.batch, n)
}

// row is the current step's part of [S*B,n]: [B,n].
func (t *times) row(b *program.Builder, x ID) ID {
	if t.steps == 0 {
		return x
	}
	n := b.Dim(x, -1)
	return b.Reshape(b.StepRow(b.Reshape(x, t.steps, t.batch*n)), t.batch, n)
}

// embedding is the timesteps' embedding plus that of the pooled prompt and the time ids, [S*B,4*channels].
func (b *builder) embedding(in Inputs) ID {
	c := b.c
	dim := 4 * c.BlockChannels[0]
	t := b.Sinusoid(in.Timestep, program.Sinusoid{Dim: c.BlockChannels[0], MaxPeriod: 10000, Shift: c.FreqShift, CosFirst: c.FlipSinToCos})
	emb := b.time.ofSteps(b.Builder, nn.TimestepMLP(b.Builder, "time_embedding", c.Act, t, dim))
	if c.AddTimeEmbedDim == 0 {
		return emb
	}
	ids := b.Sinusoid(in.TimeIDs, program.Sinusoid{Dim: c.AddTimeEmbedDim, MaxPeriod: 10000, Shift: c.FreqShift, CosFirst: c.FlipSinToCos})
	added := b.Concat(-1, in.Pooled, ids)
	if got := b.Dim(added, -1); got != c.AddEmbedInput {
		panic(&program.ShapeError{Scope: "unet/add_embedding", Msg: fmt.Sprintf(
			"the pooled prompt and %d time ids make %d channels, the configuration says %d", b.Dim(in.TimeIDs, 1), got, c.AddEmbedInput)})
	}
	// diffusers gives add_embedding no act_fn: it is SiLU whatever the configuration says.
	return b.Add(emb, b.time.ofEntries(b.Builder, nn.TimestepMLP(b.Builder, "add_embedding", program.SiLU, added, dim)))
}
