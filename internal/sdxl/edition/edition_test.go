package edition_test

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/solver"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/tokenizer"
	"github.com/seed-8af8f8e1/flow/spec"
)

// both are two references' results by the edition's name.
type both map[string]string

// run is a solver's run in the golden.
type run struct {
	Steps               int
	Diffusers, Refiners string
}

func (r run) by(name string) []float64 {
	return numbers(map[string]string{"diffusers": r.Diffusers, "refiners": r.Refiners}[name])
}

// solverCase is a scheduler configuration with runs.
type solverCase struct {
	Config    json.RawMessage
	X, Output float64
	Runs      []run
}

// golden is a part of testdata/editions.json, made by internal/tools/goldens/editions.py.
type golden struct {
	Texts map[string][]struct {
		Text       string
		Tokenizer  both
		Tokenizer2 both `json:"tokenizer_2"`
	}
	ModelTimesteps, ModelFinalAlpha, FinalNoise solverCase
	RoundPixels                                 struct{ X, Diffusers, Refiners string }
	Same                                        map[string]both
}

func read(t *testing.T) (g golden) {
	t.Helper()
	data, err := os.ReadFile("testdata/editions.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func numbers(s string) (out []float64) {
	for f := range strings.FieldsSeq(s) {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			panic(err)
		}
		out = append(out, v)
	}
	return out
}

// swapped is e with one field as the other edition has it.
func swapped(e edition.Edition, field string) edition.Edition {
	other := edition.Diffusers
	if e.Name == other.Name {
		other = edition.Refiners
	}
	reflect.ValueOf(&e).Elem().FieldByName(field).Set(reflect.ValueOf(other).FieldByName(field))
	return e
}

// hold demands that each edition agrees with its reference, and no longer does when one field is swapped.
func hold(t *testing.T, field string, agrees func(e edition.Edition, name string) bool) {
	t.Helper()
	for _, e := range edition.All() {
		if !agrees(e, e.Name) {
			t.Errorf("%s: not what the reference gives", e.Name)
		}
		if agrees(swapped(e, field), e.Name) {
			t.Errorf("%s: with %s of the other edition all is the same; the golden tells nothing", e.Name, field)
		}
	}
}

// encodes says whether both tokenizers give the ids of a reference for some texts.
func encodes(t *testing.T, g golden, field string, e edition.Edition, name string) bool {
	t.Helper()
	equal := len(g.Texts[field]) > 0
	for i := range 2 {
		tok, err := tokenizer.ForModel(nil, i == 1, e)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range g.Texts[field] {
			ids, _ := tok.Encode(row.Text)
			var got []string
			for _, id := range ids {
				got = append(got, strconv.Itoa(int(id)))
			}
			equal = equal && strings.Join(got, " ") == [2]both{row.Tokenizer, row.Tokenizer2}[i][name]
		}
	}
	return equal
}

func TestComposeText(t *testing.T)  { texts(t, "ComposeText") }
func TestUnicodeWords(t *testing.T) { texts(t, "UnicodeWords") }
func TestMergeBytes(t *testing.T)   { texts(t, "MergeBytes") }
func TestSpecialText(t *testing.T)  { texts(t, "SpecialText") }

func texts(t *testing.T, field string) {
	t.Helper()
	g := read(t)
	hold(t, field, func(e edition.Edition, name string) bool { return encodes(t, g, field, e, name) })
}

// TestPlainTexts: of ASCII without marks both references make the same, padding and the cut of a long prompt included.
func TestPlainTexts(t *testing.T) {
	g := read(t)
	for _, e := range edition.All() {
		for _, name := range []string{"diffusers", "refiners"} {
			if !encodes(t, g, "plain", e, name) {
				t.Errorf("%s does not encode plain texts as the reference of %s", e.Name, name)
			}
		}
	}
}

// schedule is SDXL's with a case's configuration.
func schedule(t *testing.T, c solverCase) *config.Scheduler {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(c.Config, &fields); err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]any{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": false} {
		fields[k] = v
	}
	data, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	s, err := config.ParseScheduler(data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestModelTimesteps(t *testing.T) {
	c := read(t).ModelTimesteps
	hold(t, "ModelTimesteps", func(e edition.Edition, name string) bool {
		equal := len(c.Runs) > 0
		for _, r := range c.Runs {
			table, err := solver.DDIM(schedule(t, c), r.Steps, e)
			if err != nil {
				t.Fatal(err)
			}
			want := r.by(name)
			for i, step := range table.Timesteps {
				equal = equal && len(want) == r.Steps && float64(step) == want[i]
			}
		}
		return equal
	})
}

// TestModelFinalAlpha has a configuration with set_alpha_to_one and a model that predicts no noise.
func TestModelFinalAlpha(t *testing.T) { solves(t, "ModelFinalAlpha", read(t).ModelFinalAlpha) }

// TestFinalNoise has SDXL's configuration.
func TestFinalNoise(t *testing.T) { solves(t, "FinalNoise", read(t).FinalNoise) }

// solves compares what each step of runs makes of x and the model's output.
func solves(t *testing.T, field string, c solverCase) {
	t.Helper()
	hold(t, field, func(e edition.Edition, name string) bool {
		equal := len(c.Runs) > 0
		for _, r := range c.Runs {
			table, err := solver.DDIM(schedule(t, c), r.Steps, e)
			if err != nil {
				t.Fatal(err)
			}
			want := r.by(name)
			for i, k := range table.Coefficients {
				got := float64(k[2])*(c.X-float64(k[1])*c.Output)/float64(k[0]) + float64(k[3])*c.Output
				equal = equal && len(want) == r.Steps && math.Abs(got-want[i]) < 1e-5
			}
		}
		return equal
	})
}

func TestRoundPixels(t *testing.T) {
	g := read(t).RoundPixels
	var x []float32
	for _, v := range numbers(g.X) {
		x = append(x, float32(v))
	}
	hold(t, "RoundPixels", func(e edition.Edition, name string) bool {
		want := numbers(map[string]string{"diffusers": g.Diffusers, "refiners": g.Refiners}[name])
		equal := len(want) == len(x) && len(x) > 50
		for i, v := range sdxl.Pixels(x, e.RoundPixels) {
			equal = equal && float64(v) == want[i]
		}
		return equal
	})
}

// TestSame: what the documentation says is the same is the same in the references' own modules; only the norms of the autoencoder differ.
func TestSame(t *testing.T) {
	page := document(t)
	rows := read(t).Same
	if len(rows) < 7 {
		t.Errorf("only %d rows", len(rows))
	}
	for what, v := range rows {
		if equal := v["diffusers"] == v["refiners"]; equal == (what == "norms of the autoencoder") {
			t.Errorf("%s: diffusers %s, refiners %s", what, v["diffusers"], v["refiners"])
		}
		if !strings.Contains(page, what) {
			t.Errorf("docs/editions.md does not speak of %q", what)
		}
	}
}

func TestByName(t *testing.T) {
	var names []string
	for _, e := range edition.All() {
		names = append(names, e.Name)
		if got, err := edition.ByName(e.Name); err != nil || got != e {
			t.Errorf("%s: %v, %v", e.Name, got, err)
		}
	}
	if !reflect.DeepEqual(names, spec.Editions) {
		t.Errorf("editions %v, the language has %v", names, spec.Editions)
	}
	if _, err := edition.ByName(""); err == nil || !strings.Contains(err.Error(), `"" is not one of diffusers, refiners`) {
		t.Errorf("no name: %v", err)
	}
}
