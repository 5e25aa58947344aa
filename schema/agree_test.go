package schema

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/spec"
)

// TestGenerated demands that the schema is what the registry of kinds gives; go generate ./schema writes it.
func TestGenerated(t *testing.T) {
	want, err := kinds.Registry().Schema()
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(V1) {
		t.Error("flow.v1.schema.json is not what the kinds give: run go generate ./schema")
	}
}

// verdict is what code and schema say of a text. The schema is nil where the text gives no document.
func verdict(t testing.TB, folder, name string, src []byte) (code, schema []spec.Diagnostic) {
	doc, diags := spec.Parse(name, src)
	if doc == nil {
		return diags, diags
	}
	_, diags = plan.Build(doc, diags, plan.Options{Registry: kinds.Registry(), Files: &plan.Finder{Folder: folder}})
	return diags, Validate(doc)
}

// shape says that a mistake is one of the file's shape, which a schema can see, and not one of how its parts fit together.
func shape(d spec.Diagnostic) bool {
	if d.Severity == spec.Warning {
		return false
	}
	for _, beyond := range []string{
		"has no value and no default",                                                               // may come with -p
		"parameter \"",                                                                              // a default against bounds that stand beside it
		"below the minimum", "above the maximum", "is no multiple", "is not one of", "is below min", // may be a parameter's value
		`this is "1e3"`, // a whole number to a JSON schema
		"has no output", "a value of type", "is of type", "fills nothing in", "no template",
	} {
		if strings.Contains(d.Message, beyond) {
			return false
		}
	}
	switch d.Code {
	case "F0106", "F0107", "F0108", "F0109", "F0205", "F0301", "F0302", "F0401", "F0701", "F0801":
		return true
	}
	return false
}

const (
	valid = `flow: v1
name: valid
params:
  p: {type: string, default: x}
  n: {type: int, default: 64}
models: {m: {path: model}}
nodes:
  base:  {kind: load-model, weights: $models.m}
  text:  {kind: encode-prompt, model: $base, prompt: $params.p}
  noise: {kind: noise, seed: 1, width: $params.n, height: 64}
  lat:   {kind: denoise, model: $base.model, latents: $noise.latents, conditioning: $text, solver: {steps: 2}}
  image: {kind: decode, model: $base, latents: $lat}
outputs: {picture: {from: $image, path: out.png}}
`
	yes = ""
	// whole: a JSON schema cannot tell 8.0 from 8
	whole = "whole"
)

// changes are small changes of the valid file, and what code and schema say of each: both yes, or both no. "whole" marks what
// only the code refuses.
var changes = []struct{ from, to, want string }{
	{"flow: v1", "flow: v1", yes},
	{"flow: v1", `flow: "v1"`, yes},
	{"flow: v1", "flow: 1", "F0108"},
	{"name: valid", "name: 5", "F0109"},
	{"name: valid", "name: a b", "F0109"},
	{"name: valid", "version: 1.2.0", yes},
	{"name: valid", "version: 1.2", yes},
	{"name: valid", "version: true", "F0301"},
	{"name: valid", "version: $params.p", "F0301"},
	{"name: valid", "description: [a]", "F0301"},
	{"name: valid", "description: $$5 a picture", yes},
	{"name: valid", "comment: x", "F0106"},
	{"name: valid", "numerics: {precision: fp32, device: auto, edition: refiners}", yes},
	{"name: valid", "numerics: ", yes},
	{"name: valid", "numerics: {precision: 32}", "F0801"},
	{"name: valid", "numerics: bf16", "F0301"},
	{"name: valid", "tests: ", yes},
	{"name: valid", "tests: {a: {expect: {image: {golden: a.png}}}}", yes},
	{"name: valid", "tests: {a: {doc: x, tier: slow, params: {p: y, n: 8}, expect: {image.image: {golden: g/a.png, ssim: 0.9, psnr: 30, max-abs: 3, rms: 1}}}}", yes},
	{"name: valid", "tests: {a: {expect: {lat.latents: {golden: g/a.safetensors, cosine: 0.9, max-abs: 1e-3}}}}", yes},
	{"name: valid", "tests: {a: {expect: {}}}", "F0107"},
	{"name: valid", "tests: {a: {tier: slow}}", "F0107"},
	{"name: valid", "tests: {a: 5}", "F0301"},
	{"name: valid", "tests: {a: {runs: 3, expect: {image: {golden: a.png}}}}", "F0106"},
	{"name: valid", "tests: {a: {tier: fast, expect: {image: {golden: a.png}}}}", "F0703"},
	{"name: valid", "tests: {a: {params: [p], expect: {image: {golden: a.png}}}}", "F0301"},
	{"name: valid", "tests: {a: {params: {p: $params.n}, expect: {image: {golden: a.png}}}}", "F0205"},
	{"name: valid", "tests: {a: {expect: {$image: {golden: a.png}}}}", "F0201"},
	{"name: valid", "tests: {a: {expect: {image: a.png}}}", "F0301"},
	{"name: valid", "tests: {a: {expect: {image: {ssim: 0.9}}}}", "F0107"},
	{"name: valid", "tests: {a: {expect: {image: {golden: a.jpg}}}}", "F0703"},
	{"name: valid", "tests: {a: {expect: {image: {golden: ../a.png}}}}", "F0703"},
	{"name: valid", "tests: {a: {expect: {image: {golden: a.png, ssim: 2}}}}", "F0302"},
	{"name: valid", "tests: {a: {expect: {image: {golden: a.png, ssim: high}}}}", "F0301"},
	{"name: valid", "tests: {a: {expect: {image: {golden: a.png, sim: 1}}}}", "F0106"},
	{"name: valid", "tests: [a]", "F0301"},
	{"name: valid", "matrix: {n: [64]}", yes},
	{"name: valid", "matrix: ", yes},
	{"name: valid", "matrix: {n: [64, 72], exclude: [{n: 72}]}", yes},
	{"name: valid", "matrix: {include: [{n: 64}]}", yes},
	{"name: valid", "matrix: {}", "F0107"},
	{"name: valid", "matrix: [n]", "F0301"},
	{"name: valid", "matrix: {n: 64}", "F0301"},
	{"name: valid", "matrix: {n: []}", "F0301"},
	{"name: valid", "matrix: {n: [$params.n]}", "F0205"},
	{"name: valid", "matrix: {n: [64], exclude: {n: 64}}", "F0301"},
	{"name: valid", "matrix: {n: [64], include: [5]}", "F0301"},
	{"name: valid", "matrix: {n: [64], include: [{}]}", "F0301"},
	{"name: valid", "matrix: {n: [64], include: [{n: [8]}]}", "F0301"},
	{"name: valid", "files: ", yes},
	{"{type: int, default: 64}", "{type: int, default: 64, min: 8, max: 128, multipleOf: 8, enum: [64, 128], doc: size}", yes},
	{"{type: int, default: 64}", "{type: int, default: 64.5}", "F0301"},
	{"{type: int, default: 64}", "{type: int, default: 64.0}", whole},
	{"{type: int, default: 64}", "{type: int, default: 064}", "F0301"},
	{"{type: int, default: 64}", `{type: int, default: "64"}`, "F0301"},
	{"{type: int, default: 64}", "{type: int, default: 9223372036854775808}", "F0302"},
	{"{type: int, default: 64}", "{type: int, default: $params.p}", "F0205"},
	{"{type: int, default: 64}", "{type: int, default: 64, min: low}", "F0301"},
	{"{type: int, default: 64}", "{type: int, default: 64, multipleOf: 0}", "F0701"},
	{"{type: int, default: 64}", "{type: int, default: 64, enum: []}", "F0701"},
	{"{type: int, default: 64}", "{type: int, default: 64, enum: 64}", "F0701"},
	{"{type: int, default: 64}", "{type: int, default: 64, enum: [64, x]}", "F0301"},
	{"{type: int, default: 64}", "{type: int, default: 64, step: 8}", "F0106"},
	{"{type: int, default: 64}", "{default: 64}", "F0107"},
	{"{type: int, default: 64}", "{type: number, default: 64}", "F0701"},
	{"{type: int, default: 64}", "64", "F0301"},
	{"{type: string, default: x}", "{type: string, default: 5}", yes},
	{"{type: string, default: x}", "{type: string, default: x, enum: [x, y]}", yes},
	{"{type: string, default: x}", "{type: string, default: true}", "F0301"},
	{"{type: string, default: x}", "{type: string, default: $$x}", yes},
	{"{type: string, default: x}", "{type: string, default: $base.model}", "F0205"},
	{"{type: string, default: x}", "{type: string, default: x, min: 3}", "F0701"},
	{"{type: string, default: x}", "{type: seed, default: 18446744073709551615}", yes},
	{"{type: string, default: x}", "{type: seed, default: 18446744073709551616}", "F0302"},
	{"{type: string, default: x}", "{type: seed, default: -1}", "F0302"},
	{"{type: string, default: x}", "{type: seed, default: 1.5}", "F0301"},
	{"{type: string, default: x}", "{type: float, default: 1e-3, min: 0, max: 1}", yes},
	{"{type: string, default: x}", "{type: float, default: .inf}", "F0301"},
	{"{type: string, default: x}", "{type: float, default: 1e999}", "F0302"},
	{"prompt: $params.p", "prompt: ${params.p}}", "F0103"},
	{"models: {m: {path: model}}", "models: {m: model}", yes},
	{"models: {m: {path: model}}", "models: {m: {path: model, variant: fp16}}", yes},
	{"models: {m: {path: model}}", "models: {m: {path: 5}}", "F0301"},
	{"models: {m: {path: model}}", `models: {m: {path: ""}}`, "F0301"},
	{"models: {m: {path: model}}", `models: {m: "${params.p}"}`, "F0201"},
	{"models: {m: {path: model}}", "models: {m: {variant: fp16}}", "F0107"},
	{"models: {m: {path: model}}", "models: {m: {path: model, sha256: x}}", "F0106"},
	{"models: {m: {path: model}}", "models: {m: }", "F0301"},
	{"models: {m: {path: model}}", "models: [model]", "F0301"},
	{"kind: noise,", "kind: noise@1,", yes},
	{"kind: noise,", "kind: noise@2,", "F0401"},
	{"kind: noise,", "kind: noise@v1,", "F0401"},
	{"kind: noise,", "kind: [noise],", "F0301"},
	{"kind: noise,", "kind: noize,", "F0401"},
	{"kind: noise,", "", "F0107"},
	{"kind: noise,", "kind: noise, sede: 1,", "F0106"},
	{"seed: 1,", "", "F0107"},
	{"seed: 1,", "seed: 18446744073709551615,", yes},
	{"seed: 1,", "seed: 1.5,", "F0301"},
	{"seed: 1,", "seed: $params.n,", yes},
	{"height: 64", "height: 64, rng: philox", yes},
	{"height: 64", "height: 64, rng: dice", "F0302"},
	{"height: 64", "height: 64, rng: torch-cuda", yes},
	{"height: 64", "height: 64, rng: torch-cuda, threads: 221184, dtype: fp16", yes},
	{"height: 64", "height: 64, rng: torch-cuda, threads: 1000", "F0302"},
	{"height: 64", "height: 64, rng: torch-cuda, threads: 0", "F0302"},
	{"height: 64", "height: 65", "F0302"},
	{"height: 64", "height: 0", "F0302"},
	{"height: 64", "height: 64.0", whole},
	{"height: 64", "height: 64px", "F0301"},
	{"height: 64", "height: ", "F0301"},
	{"height: 64", "height: $noise.latents", "F0205"},
	{"model: $base,", "model: base,", "F0205"},
	{"model: $base,", "model: $models.m,", "F0205"},
	{"model: $base,", "model: [$base],", "F0205"},
	{"prompt: $params.p", "prompt: 5", yes},
	{"prompt: $params.p", "prompt: true", "F0301"},
	{"prompt: $params.p", "prompt: $base.model", "F0205"},
	{"prompt: $params.p", "prompt: [a]", "F0301"},
	{"prompt: $params.p", `prompt: "a ${params.p} b", negative: ""`, yes},
	{"prompt: $params.p", "prompt: \"two\\n  lines\"", yes},
	{"solver: {steps: 2}", "solver: 2", yes},
	{"solver: {steps: 2}", "solver: $params.n", yes},
	{"solver: {steps: 2}", "solver: {name: ddim, steps: 2}, guidance: 5", yes},
	{"solver: {steps: 2}", "solver: {steps: 2}, guidance: {scale: $params.n}", yes},
	{"solver: {steps: 2}", "solver: {steps: 2}, guidance: -1", "F0302"},
	{"solver: {steps: 2}", "solver: {steps: 2}, guidance: strong", "F0301"},
	{"solver: {steps: 2}", "solver: {name: ddim}", "F0107"},
	{"solver: {steps: 2}", "solver: {steps: 2, order: 2}", "F0106"},
	{"solver: {steps: 2}", "solver: []", "F0301"},
	{"solver: {steps: 2}", "solver: 2, size-conditioning: {crop: [0, 0]}", yes},
	{"solver: {steps: 2}", "solver: 2, size-conditioning: {crop: 0}", "F0301"},
	{"solver: {steps: 2}", "solver: 2, size-conditioning: {crop: [0, -1]}", "F0302"},
	{"weights: $models.m", "weights: model", "F0205"},
	{"  base:", "  params: {kind: noise, seed: 1, width: 8, height: 8}\n  base:", "F0109"},
	{"  base:", "  2nd: {kind: noise, seed: 1, width: 8, height: 8}\n  base:", "F0109"},
	{"  base:", "  five: 5\n  base:", "F0301"},
	{"from: $image,", "from: $image.image,", yes},
	{"from: $image,", "from: $params.p,", "F0205"},
	{"from: $image,", "", "F0107"},
	{", path: out.png", "", "F0107"},
	{"path: out.png", "path: 5", "F0301"},
	{"path: out.png", "path: out.png, quality: 9", "F0106"},
	{"path: out.png", `path: "${name}/${params.p}.png"`, yes},
}

func TestCodeAndSchemaAgree(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "model"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		src := strings.Replace(valid, c.from, c.to, 1)
		if src == valid && c.from != c.to {
			t.Errorf("%q is not in the file", c.from)
		}
		code, schema := verdict(t, folder, "w.yaml", []byte(src))
		found := false
		for _, d := range code {
			found = found || d.Code == c.want || c.want == whole && d.Code == "F0301"
		}
		switch {
		case c.want == yes && (spec.Failed(code) || len(schema) > 0):
			t.Errorf("%q is refused: %v %v", c.to, code, schema)
		case c.want != yes && !found:
			t.Errorf("%q: code says %v, want %s", c.to, code, c.want)
		case c.want == whole && len(schema) > 0:
			t.Errorf("%q: the schema can tell after all: %v", c.to, schema)
		case c.want != yes && c.want != whole && len(schema) == 0:
			t.Errorf("%q: the schema accepts what code refuses: %v", c.to, code)
		}
	}
}

// corpus are all workflow files of the repository.
func corpus(t testing.TB) map[string][]byte {
	out := make(map[string][]byte)
	for _, pattern := range []string{"../spec/testdata/*.yaml", "../cmd/flow/testdata/*.yaml", "../cmd/flow/testdata/bad/*.yaml", "../examples/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out[file] = src
		}
	}
	return out
}

// What code accepts, the schema accepts; what code refuses for its shape alone, the schema refuses.
func TestCodeAndSchemaAgreeOnTheCorpus(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "model"), 0o777); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for file, src := range corpus(t) {
		code, schema := verdict(t, folder, file, src)
		if !spec.Failed(code) && len(schema) > 0 {
			t.Errorf("%s: the schema refuses what code accepts: %v", file, schema)
		}
		for _, d := range code {
			if shape(d) {
				refused++
				if len(schema) == 0 {
					t.Errorf("%s: the schema accepts what code refuses: %v", file, d)
				}
			}
		}
	}
	if refused < 100 {
		t.Errorf("only %d mistakes of shape in the corpus", refused)
	}
}

// FuzzAgree: whatever code accepts, the schema accepts.
func FuzzAgree(f *testing.F) {
	folder := f.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "model"), 0o777); err != nil {
		f.Fatal(err)
	}
	for _, src := range corpus(f) {
		f.Add(src)
	}
	for _, c := range changes {
		f.Add([]byte(strings.Replace(valid, c.from, c.to, 1)))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<14 {
			return
		}
		code, schema := verdict(t, folder, "f.yaml", src)
		if !spec.Failed(code) && len(schema) > 0 {
			t.Errorf("the schema refuses what code accepts: %v", schema)
		}
	})
}
