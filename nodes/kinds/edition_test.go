package kinds

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/solver"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// negative is what becomes of a prompt without a negative one.
type negative struct {
	Texts []string
	Zeros bool
}

// file is a PNG and what the image encoder is given of it.
type file struct {
	PNG                 []byte
	Edge                int
	Diffusers, Refiners string
}

// editionGolden is a part of editions.json, made by internal/tools/goldens/editions.py.
type editionGolden struct {
	ZeroNegative map[string]negative
	TimeIDs      struct {
		Height, Width       int
		Diffusers, Refiners string
	}
	GuideBelowOne []struct { // entries of a UNet's batch
		Scale               float32
		Diffusers, Refiners int
	}
	SelfAlone                    map[string]int // evaluations of a step
	Orient, ColourKey, CropImage file
}

func readEditions(t *testing.T) (g editionGolden) {
	t.Helper()
	data, err := os.ReadFile("../../internal/sdxl/edition/testdata/editions.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func fields(t *testing.T, s string) (out []float32) {
	t.Helper()
	for f := range strings.FieldsSeq(s) {
		v, err := strconv.ParseFloat(f, 32)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, float32(v))
	}
	return out
}

// loaded opens the small model.
func loaded(t *testing.T) map[string]nodes.Live {
	t.Helper()
	live, err := (&loadModel{weights: nodes.File{Path: castle + "model"}}).Open(t.Context(), &nodes.Env{}, nodes.PlanInputs{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = live["model"].Close() })
	return live
}

func TestZeroNegative(t *testing.T) {
	m := loaded(t)["model"].(*model)
	op := &encodePrompt{prompt: "a castle"}
	for name, want := range readEditions(t).ZeroNegative {
		e, err := edition.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := (negative{op.texts(m, e), op.zeros(m, e)}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, the reference has %v", name, got, want)
		}
		e.ZeroNegative = !e.ZeroNegative
		if op.zeros(m, e) == want.Zeros {
			t.Errorf("%s: the field changes nothing", name)
		}
	}
}

// TestTokensOfEdition: the node's tokens are those of the edition's tokenizer.
func TestTokensOfEdition(t *testing.T) {
	m := loaded(t)["model"].(*model)
	op := &encodePrompt{prompt: "caf\u00e9 castle"}
	d, _, err := op.tokens(m, 0, edition.Diffusers)
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := op.tokens(m, 0, edition.Refiners)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(d[0], r[0]) {
		t.Errorf("both editions give %v", d[0])
	}
}

// planned sets a denoise node up under an edition for a picture.
func planned(t *testing.T, op *denoise, edition string, height, width int) (*denoiseSetup, error) {
	t.Helper()
	live := loaded(t)
	scale := live["model"].(*model).vae.Config.Scale()
	return op.setup(&nodes.Env{Edition: edition}, live, []int{1, height / scale, width / scale, 4}, []int{1, 77, 160}, []int{1, 96})
}

func TestTimeIDs(t *testing.T) {
	g := readEditions(t).TimeIDs
	for name, want := range map[string]string{"diffusers": g.Diffusers, "refiners": g.Refiners} {
		op := &denoise{steps: 7, guidance: 5}
		s, err := planned(t, op, name, g.Height, g.Width)
		if err != nil {
			t.Fatal(err)
		}
		if got := op.timeIDs(s, 1).F; !slices.Equal(got, fields(t, want)) {
			t.Errorf("%s: %v, the reference has %s", name, got, want)
		}
		e, _ := edition.ByName(name)
		table, err := solver.DDIM(s.model.base.Scheduler, 7, e)
		if err != nil || !reflect.DeepEqual(table, s.table) {
			t.Errorf("%s: the table is not the edition's: %v", name, err)
		}
	}
}

// TestGuideBelowOne: at scales around 1 the UNet sees as many entries as the reference's pipeline gives it. At 1 itself flow leaves one out.
func TestGuideBelowOne(t *testing.T) {
	rows := readEditions(t).GuideBelowOne
	if len(rows) < 3 {
		t.Fatalf("only %d scales", len(rows))
	}
	for _, row := range rows {
		for name, want := range map[string]int{"diffusers": row.Diffusers, "refiners": row.Refiners} {
			op := &denoise{steps: 1, guidance: row.Scale}
			s, err := planned(t, op, name, 64, 64)
			if err != nil {
				t.Fatal(err)
			}
			if row.Scale == 1 {
				want = 1
			}
			if s.entries != want {
				t.Errorf("%s, scale %g: %d entries, the reference has %d", name, row.Scale, s.entries, want)
			}
			e := s.edition
			e.GuideBelowOne = !e.GuideBelowOne
			if row.Scale < 1 && op.unguided(e) == op.unguided(s.edition) {
				t.Errorf("%s, scale %g: the field changes nothing", name, row.Scale)
			}
		}
	}
}

// TestSelfAlone: one conditioning takes two evaluations a step where the reference guides by it, and is refused where the reference does nothing.
func TestSelfAlone(t *testing.T) {
	for name, want := range readEditions(t).SelfAlone {
		op := &denoise{steps: 1, guidance: 1, self: sdxl.SelfAttention{Scale: 0.75, BlurSigma: 1}}
		s, err := planned(t, op, name, 64, 64)
		if want == 1 {
			if err == nil || !strings.Contains(err.Error(), "in edition "+name) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		op.self.Scale = 0
		alone, err := planned(t, op, name, 64, 64)
		if err != nil {
			t.Fatal(err)
		}
		if ratio := float64(program.MACs(s.program)) / float64(program.MACs(alone.program)); math.Abs(ratio-float64(want)) > 0.2 {
			t.Errorf("%s: %.2f times the work of a step without it, the reference evaluates %d times", name, ratio, want)
		}
	}
}

func TestOrient(t *testing.T) {
	prepares(t, readEditions(t).Orient, func(e *edition.Edition) { e.Orient = !e.Orient })
}

func TestColourKey(t *testing.T) {
	prepares(t, readEditions(t).ColourKey, func(e *edition.Edition) { e.ColourKey = !e.ColourKey })
}

func TestCropImage(t *testing.T) {
	prepares(t, readEditions(t).CropImage, func(e *edition.Edition) { e.CropImage = !e.CropImage })
}

// prepares compares what the encoder is given of a file with both references, and demands that a swapped field is seen.
func prepares(t *testing.T, f file, swap func(*edition.Edition)) {
	t.Helper()
	for name, list := range map[string]string{"diffusers": f.Diffusers, "refiners": f.Refiners} {
		e, err := edition.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		want := fields(t, list)
		for _, swapped := range []bool{false, true} {
			if swapped {
				swap(&e)
			}
			got, err := prepare(f.PNG, e, f.Edge, false)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Equal(got.Data, want) == swapped {
				t.Errorf("%s, swapped %v: %v, the reference has %v", name, swapped, got.Data, want)
			}
		}
	}
}

// TestDecodeOfEdition: the decode node computes with the edition's epsilon and rounds as it does.
func TestDecodeOfEdition(t *testing.T) {
	live := loaded(t)
	m := live["model"].(*model)
	src, err := m.weights(sdxl.VAE)
	if err != nil {
		t.Fatal(err)
	}
	latents := program.Tensor{Shape: []int{1, 4, 4, 4}, F: make([]float32, 64)}
	for i := range latents.F {
		latents.F[i] = float32(i%7)/5 - 0.5
	}
	seen := make(map[string]bool)
	for _, e := range edition.All() {
		env := &nodes.Env{Executor: cpu.New(), Edition: e.Name, Progress: func(int, int) {}}
		in := nodes.Inputs{Live: live, Stored: map[string]nodes.Value{"latents": &nodes.Tensors{Of: nodes.LatentsType, List: map[string]nodes.Tensor{"latents": {Shape: latents.Shape, Data: latents.F}}}}}
		out, err := decode{}.Run(t.Context(), env, in)
		if err != nil {
			t.Fatal(err)
		}
		p := program.Optimize(sdxl.DecodeProgram(m.vae.Config, e.ResnetEps, 1, 4, 4))
		raw, err := execute(t.Context(), env, p, src, map[string]program.Tensor{sdxl.InLatents: latents}, 0)
		if err != nil {
			t.Fatal(err)
		}
		pix := out["image"].(*nodes.Image).Pix
		if !slices.Equal(pix, sdxl.Pixels(raw[sdxl.OutPicture].F, e.RoundPixels)) {
			t.Errorf("%s: the picture is not the edition's", e.Name)
		}
		seen[fmt.Sprint(pix)] = true
	}
	if len(seen) != len(edition.All()) {
		t.Error("the editions decode to the same picture: the test tells nothing")
	}
}

// TestEditionInKeys: what depends on the edition has it in its key, noise has not.
func TestEditionInKeys(t *testing.T) {
	live := loaded(t)
	latents := nodes.Meta{Of: nodes.LatentsType, Shapes: map[string][]int{"latents": {1, 8, 8, 4}}}
	cond := nodes.Meta{Of: nodes.ConditioningType, Shapes: map[string][]int{"context": {1, 77, 160}, "pooled": {1, 96}}}
	in := nodes.PlanInputs{Live: live, Stored: map[string]nodes.Meta{"latents": latents, "conditioning": cond}}
	env := &nodes.Env{Executor: cpu.New(), Edition: "refiners"}
	image := nodes.File{Path: promptDir + "reference.png"}
	for _, x := range []struct {
		name string
		op   nodes.StoredOp
		want bool
	}{
		{"noise", &drawNoise{width: 64, height: 64}, false}, {"encode-prompt", &encodePrompt{}, true}, {"denoise", &denoise{steps: 1, guidance: 5}, true},
		{"decode", decode{}, true}, {"encode-image", &encodeImage{image: image, weights: nodes.File{Path: promptDir + "ip-adapter/image_encoder"}}, true},
	} {
		plan, err := x.op.Plan(env, in)
		if err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		if plan.Edition != x.want {
			t.Errorf("%s: the edition is in its key: %v", x.name, plan.Edition)
		}
		for _, l := range plan.Own {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	env.Edition = "automatic1111"
	if _, err := (decode{}).Plan(env, in); err == nil || !strings.Contains(err.Error(), `"automatic1111" is not one of`) {
		t.Errorf("an unknown edition: %v", err)
	}
}
