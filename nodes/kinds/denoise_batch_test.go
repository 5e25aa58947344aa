package kinds

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// seen follows a loop and keeps the digest of each step.
type seen struct {
	steps  []nodes.Digest
	resume int
	fail   int // the step that is refused
}

var errRefused = errors.New("refused")

func (s *seen) Resume(total int, carries map[string][]int) (int, map[string]nodes.Tensor) {
	if s.resume == 0 || total != 4 || len(carries) != 1 || !slices.Equal(carries["latents"], []int{1, 8, 8, 4}) {
		return 0, nil
	}
	data := make([]float32, 8*8*4)
	for i := range data {
		data[i] = float32(i%7) - 3
	}
	return s.resume, map[string]nodes.Tensor{"latents": {Shape: []int{1, 8, 8, 4}, Data: data}}
}

func (s *seen) Done(step int, state func() map[string]nodes.Tensor) error {
	if step == s.fail {
		return errRefused
	}
	s.steps = append(s.steps, nodes.StepDigest(state()))
	return nil
}

// drawn makes numbers that differ between members of a batch.
func drawn(seed int, shape ...int) nodes.Tensor {
	t := nodes.Tensor{Shape: shape, Data: make([]float32, program.Elems(shape))}
	for i := range t.Data {
		t.Data[i] = float32(math.Sin(float64(i*7+seed*1001))) * 1.5
	}
	return t
}

// member is what one step of a batch reads: latents of 8x8 places, and a conditioning for the small model.
func member(live map[string]nodes.Live, seed int) nodes.Inputs {
	list := func(of nodes.Type, m map[string]nodes.Tensor) *nodes.Tensors { return &nodes.Tensors{Of: of, List: m} }
	return nodes.Inputs{Live: live, Stored: map[string]nodes.Value{
		"latents": list(nodes.LatentsType, map[string]nodes.Tensor{"latents": drawn(seed, 1, 8, 8, 4)}),
		"conditioning": list(nodes.ConditioningType, map[string]nodes.Tensor{"context": drawn(seed+1, 1, 77, 160), "negative_context": drawn(seed+2, 1, 77, 160),
			"pooled": drawn(seed+3, 1, 96), "negative_pooled": drawn(seed+4, 1, 96)})}}
}

func batchEnv(s *seen, p program.Precision) *nodes.Env {
	return &nodes.Env{Executor: cpu.New(), Precision: p, Edition: "diffusers", Progress: func(int, int) {}, Warn: func(string) {}, Steps: s}
}

// Each of a batch gets the bits that it gets alone, in its result and after every step, in any place and beside any others.
func TestDenoiseTogether(t *testing.T) {
	live := loaded(t)
	for name, op := range map[string]*denoise{
		"guided":   {steps: 3, guidance: 5},
		"unguided": {steps: 2, guidance: 1},
		"self":     {steps: 2, guidance: 5, self: sdxl.SelfAttention{Scale: 0.75, BlurSigma: 1}},
	} {
		for _, p := range []program.Precision{program.BF16, program.F32} {
			t.Run(fmt.Sprintf("%s %s", name, p), func(t *testing.T) {
				var alone []nodes.Digest
				var steps [][]nodes.Digest
				for i := range 4 {
					s := new(seen)
					out, err := op.Run(t.Context(), batchEnv(s, p), member(live, 10*i))
					if err != nil {
						t.Fatal(err)
					}
					alone, steps = append(alone, out["latents"].Digest()), append(steps, s.steps)
				}
				if alone[0] == alone[1] || len(steps[0]) != op.steps {
					t.Fatal("the members do not differ, or their steps are not seen")
				}
				for _, order := range [][]int{{0, 1}, {3, 0, 2}, {2, 1, 0, 3}} {
					var envs []*nodes.Env
					var in []nodes.Inputs
					var follow []*seen
					for _, i := range order {
						s := new(seen)
						follow, envs, in = append(follow, s), append(envs, batchEnv(s, p)), append(in, member(live, 10*i))
					}
					out, err := op.RunBatch(t.Context(), envs, in)
					if err != nil {
						t.Fatal(err)
					}
					for k, i := range order {
						if out[k]["latents"].Digest() != alone[i] || !slices.Equal(follow[k].steps, steps[i]) {
							t.Errorf("member %d of %v has other bits than alone", k, order)
						}
					}
				}
			})
		}
	}
}

// What goes on from a checkpoint of its own goes on alone, and the others begin at their beginning.
func TestDenoiseTogetherResumes(t *testing.T) {
	live, op := loaded(t), &denoise{steps: 4, guidance: 5}
	a, b := &seen{resume: 2}, new(seen)
	out, err := op.RunBatch(t.Context(), []*nodes.Env{batchEnv(a, program.BF16), batchEnv(b, program.BF16)}, []nodes.Inputs{member(live, 1), member(live, 2)})
	if err != nil {
		t.Fatal(err)
	}
	want, err := op.Run(t.Context(), batchEnv(&seen{resume: 2}, program.BF16), member(live, 1))
	if err != nil || out[0]["latents"].Digest() != want["latents"].Digest() || len(a.steps) != 2 || len(b.steps) != 4 {
		t.Errorf("%d and %d steps, %v", len(a.steps), len(b.steps), err)
	}
}

func TestDenoiseTogetherStops(t *testing.T) {
	live, op := loaded(t), &denoise{steps: 4, guidance: 5}
	envs := []*nodes.Env{batchEnv(new(seen), program.BF16), batchEnv(&seen{fail: 2}, program.BF16)}
	if _, err := op.RunBatch(t.Context(), envs, []nodes.Inputs{member(live, 1), member(live, 2)}); !errors.Is(err, errRefused) {
		t.Error(err)
	}
}

// Steps run together where that is quicker: on the processor, and of small pictures.
func TestDenoiseTogetherWhen(t *testing.T) {
	live, op := loaded(t), &denoise{steps: 4, guidance: 5}
	plan := func(e program.Executor, side int) *nodes.Batch {
		env := &nodes.Env{Executor: e, Precision: program.BF16, Edition: "diffusers"}
		p, err := op.Plan(env, nodes.PlanInputs{Live: live, Stored: map[string]nodes.Meta{"latents": {Shapes: map[string][]int{"latents": {1, side, side, 4}}},
			"conditioning": {Shapes: map[string][]int{"context": {1, 77, 160}, "pooled": {1, 96}}}}})
		if err != nil {
			t.Fatal(err)
		}
		return p.Batch
	}
	small, other := plan(cpu.New(), 16), plan(cpu.New(), 24)
	if small == nil || other == nil || small.Most != batchMost || small.Key == other.Key {
		t.Fatalf("%+v %+v", small, other)
	}
	if one, four := small.Peak(1), small.Peak(4); four <= one || four > 5*one {
		t.Errorf("one takes %d bytes, four take %d", one, four)
	}
	if plan(cpu.New(), 512) != nil {
		t.Error("large pictures wait for each other")
	}
	if plan(nil, 16) != nil {
		t.Error("without an executor nothing is known to be quicker")
	}
}
