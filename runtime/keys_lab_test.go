package runtime_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/spec"
)

// lab is a workflow that is mutated.
type lab struct {
	name      string
	template  string // the text; ‹PATH=VALUE› is the value of an argument
	text      string // with these values
	nodes     []string
	files     map[string][]byte
	random    *rand.Rand
	most      int // mutations that a sample has
	mutations func(t *testing.T) []mutation
}

const labHead = `flow: v1
name: lab
version: 1.0.0
models:
  tiny: {path: model, source: "nowhere"}
  vae: {path: other-vae}
  lora: {path: lora.safetensors}
  plus: {path: plus.safetensors}
  base: {path: base.safetensors}
  encoder: {path: encoder}
files:
  picture: {path: picture.png}
numerics: {precision: bf16, device: cpu, edition: EDITION}
`

// labPlus has all that a workflow can say.
const labPlus = labHead + `nodes:
  model: {kind: load-model, weights: $models.tiny}
  scifi: {kind: add-lora, model: $model.model, weights: $models.lora, scale: ‹scifi.scale=0.5›, attach: ‹scifi.attach=by-name›, unmatched: ‹scifi.unmatched=error›, merge: ‹scifi.merge=false›}
  tokens: {kind: encode-image, image: $files.picture, weights: $models.encoder, alpha: ‹tokens.alpha=drop›}
  adapted: {kind: ip-adapter, model: $scifi.model, weights: $models.plus, images: [{from: $tokens, weight: ‹adapted.images.0.weight=1.5›}], scale: {down: ‹adapted.scale.down=0›, mid: ‹adapted.scale.mid=0.5›, up: ‹adapted.scale.up=0.75›}}
  text: {kind: encode-prompt, model: $adapted.model, prompt: "‹text.prompt=a château — it is big! <|STARTOFTEXT|> it <|ENDOFTEXT|>›", negative: "‹text.negative=bad quality›"}
  noise: {kind: noise, seed: ‹noise.seed=42›, width: ‹noise.width=16›, height: ‹noise.height=16›, rng: ‹noise.rng=torch-cpu›, dtype: ‹noise.dtype=fp32›, model: $model.model}
  latents:
    kind: denoise
    model: $adapted.model
    latents: $noise.latents
    conditioning: $text.conditioning
    solver: {name: ddim, steps: ‹latents.solver.steps=2›}
    guidance: {scale: ‹latents.guidance.scale=5.0›, self-attention: {scale: ‹latents.guidance.self-attention.scale=0.75›, blur-sigma: ‹latents.guidance.self-attention.blur-sigma=1.0›}}
    size-conditioning: {original: [‹latents.size-conditioning.original.0=64›, ‹latents.size-conditioning.original.1=64›], crop: [‹latents.size-conditioning.crop.0=0›, ‹latents.size-conditioning.crop.1=0›], target: [‹latents.size-conditioning.target.0=64›, ‹latents.size-conditioning.target.1=64›]}
  image: {kind: decode, model: $model.model, latents: $latents.latents}
outputs:
  picture: {from: $image.image, path: out.png}
`

// labBase leaves all to defaults, takes another autoencoder and merges the LoRA; the edition and the file's configuration decide the rest.
const labBase = labHead + `nodes:
  model: {kind: load-model, weights: $models.tiny, vae: $models.vae}
  scifi: {kind: add-lora, model: $model, weights: $models.lora, merge: true}
  tokens: {kind: encode-image, image: $files.picture, weights: $models.encoder}
  adapted: {kind: ip-adapter, model: $scifi, weights: $models.base, images: [{from: $tokens}, {from: $tokens, weight: ‹adapted.images.1.weight=-0.5›}], scale: ‹adapted.scale.all=0.5›}
  text: {kind: encode-prompt, model: $adapted, prompt: "‹text.prompt=it is bad! <|STARTOFTEXT|> it <|ENDOFTEXT|>›"}
  noise: {kind: noise, seed: ‹noise.seed=7›, width: ‹noise.width=64›, height: ‹noise.height=64›}
  latents: {kind: denoise, model: $adapted, latents: $noise, conditioning: $text, solver: ‹latents.solver.steps=3›, guidance: ‹latents.guidance.scale=2.0›}
  image: {kind: decode, model: $model, latents: $latents}
outputs:
  picture: {from: $image, path: out.png}
`

// fill gives a template its values.
func fill(template string, values map[string]string) string {
	var out strings.Builder
	for {
		before, hole, ok := strings.Cut(template, "‹")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		hole, template, _ = strings.Cut(hole, "›")
		path, value, _ := strings.Cut(hole, "=")
		if v, ok := values[path]; ok {
			value = v
		}
		out.WriteString(value)
	}
}

// holes are the arguments that a template names.
func holes(template string) []string {
	var out []string
	for _, part := range strings.Split(template, "‹")[1:] {
		path, _, _ := strings.Cut(part, "=")
		out = append(out, path)
	}
	return out
}

// labs are the workflows with what is mutated in each: all in the first, and in the others a sample, another each time, of what their edition and defaults read otherwise.
func labs(t *testing.T, files map[string][]byte, random *rand.Rand) []*lab {
	every := []string{"tokens", "text", "noise", "latents", "image"}
	plus := &lab{name: "all", template: strings.Replace(labPlus, "EDITION", "diffusers", 1), nodes: every, most: 800}
	plus.mutations = func(t *testing.T) []mutation {
		return slices.Concat(plus.arguments(t), plus.idle(t), plus.pictures(t), plus.tensors(t, weightFiles...), plus.loras(t), plus.configurations(t, ""), plus.tokenizers(t), plus.headers(t))
	}
	out := []*lab{plus}
	for _, edition := range []string{"diffusers", "refiners"} {
		l := &lab{name: "defaults, " + edition, template: strings.Replace(labBase, "EDITION", edition, 1), nodes: every, most: 150}
		l.mutations = func(t *testing.T) []mutation {
			return slices.Concat(l.arguments(t), l.tensors(t, baseFile, loraFile), l.configurations(t, "model/model_index.json", "model/scheduler/", "model/vae/", "other-vae/"), l.tokenizers(t))
		}
		out = append(out, l)
	}
	for _, l := range out {
		l.text, l.files, l.random = fill(l.template, nil), files, random
	}
	return out
}

// otherValues are values of arguments beside those that are drawn.
var otherValues = map[string][]string{
	"scifi.scale": {"0.6", "0.0", "-1", "2"}, "scifi.attach": {"refiners-order"}, "scifi.unmatched": {"warn"}, "scifi.merge": {"true"}, "tokens.alpha": {"white"},
	"adapted.images.0.weight": {"1.0", "0.5"}, "adapted.images.1.weight": {"1.0", "0.25"},
	"adapted.scale.all": {"1", "0", "-2"}, "adapted.scale.down": {"0.6", "1"}, "adapted.scale.mid": {"0.3", "0"}, "adapted.scale.up": {"1", "0"},
	"text.prompt": {"a house", "a castle ", "A castle", "it", "quality <|endoftext|> it"}, "text.negative": {"low", "it is", ""},
	"noise.rng": {"philox"}, "noise.dtype": {"fp16", "bf16"}, "noise.width": {"24", "32"}, "noise.height": {"32", "8"},
	"latents.solver.steps": {"1", "4"}, "latents.guidance.scale": {"5.5", "1.5", "1", "0.5"},
	"latents.guidance.self-attention.scale": {"0.7", "0.0"}, "latents.guidance.self-attention.blur-sigma": {"1.1", "2"},
}

// arguments changes every argument that the workflow gives, and demands that these are all that there are.
func (l *lab) arguments(t *testing.T) []mutation {
	w := readLab(t, l)
	defer w.Close()
	known := holes(l.template)
	for _, s := range w.Plan.Steps {
		for _, p := range s.Args.Paths() {
			_, file := s.Args.Files()[p]
			given := s.Args.Place(p).Pos.Line > 0
			if path := s.Name + "." + p; given && !file && !slices.Contains(known, path) && path != "latents.solver.name" && path != "scifi.merge" { // of one value; of one in each lab
				t.Errorf("no change for the argument %s", path)
			}
		}
	}
	var out []mutation
	for _, path := range known {
		values := otherValues[path]
		switch {
		case path == "noise.seed":
			for range 8 {
				values = append(values, fmt.Sprint(l.random.Uint64()))
			}
		case strings.HasPrefix(path, "latents.size-conditioning."):
			for range 3 {
				values = append(values, fmt.Sprint(65+l.random.IntN(100_000)))
			}
		}
		if len(values) == 0 {
			t.Errorf("no values for the argument %s", path)
		}
		for _, v := range values {
			out = append(out, mutation{place: "argument " + path, what: v, text: fill(l.template, map[string]string{path: v})})
		}
	}
	return out
}

// readLab plans the unchanged workflow.
func readLab(t *testing.T, l *lab) *flowruntime.Workflow {
	t.Helper()
	doc, diags := spec.Parse("lab.flow.yaml", []byte(l.text))
	w, diags := flowruntime.ReadDocument(t.Context(), doc, diags, flowruntime.Options{
		Options: plan.Options{Registry: kinds.Registry(), Files: &plan.Finder{Folder: newBench(t, l.files).dir}},
		Env:     nodes.Env{Executor: cpu.New()}, Store: cache.NewMemory(), Sink: event.Discard})
	if w == nil {
		t.Fatal(diags)
	}
	return w
}

// idle changes what decides nothing, each in a place of its own, and what runs are told.
func (l *lab) idle(t *testing.T) []mutation {
	edit := func(what, old, new string) mutation {
		if !strings.Contains(l.text, old) {
			t.Fatalf("the workflow has no %q", old)
		}
		return mutation{place: what, what: what, text: strings.Replace(l.text, old, new, 1)}
	}
	set := func(what string, f func(*flowruntime.Options)) mutation {
		return mutation{place: what, what: what, set: f}
	}
	out := []mutation{
		edit("another name", "name: lab", "name: laboratory"), edit("another version", "version: 1.0.0", "version: 2.7.1"), edit("another source", `"nowhere"`, `"elsewhere"`),
		edit("a comment", "nodes:\n", "nodes: # what is done\n"), edit("a description", "models:\n", "description: what\nmodels:\n"), edit("an escape", "a château", `a ch\u00e2teau`),
		edit("the order of arguments", "seed: 42, width: 16", "width: 16, seed: 42"), edit("a plus sign", "seed: 42", "seed: +42"), edit("a number otherwise", "scale: 5.0", "scale: 5e0"),
		edit("a default left out", ", rng: torch-cpu, dtype: fp32", ""), edit("another default left out", ", attach: by-name", ""), edit("a shorthand", "{name: ddim, steps: 2}", "2"),
		edit("another output's path", "out.png", "there/picture.png"), edit("a parameter", "models:\n", "params: {s: {type: seed, default: 42}}\nmodels:\n"),
		edit("an unused node", "  image: {", "  spare: {kind: noise, seed: 1, width: 8, height: 8}\n  image: {"), edit("a kind's version", "kind: denoise", "kind: denoise@1"),
		{place: "a parameter that is used", text: strings.Replace(strings.Replace(l.text, "seed: 42", "seed: $params.s", 1), "models:\n", "params: {s: {type: seed, default: 42}}\nmodels:\n", 1)},
		{place: "other line ends", text: strings.ReplaceAll(l.text, "\n", "\r\n")},
		set("three threads", func(o *flowruntime.Options) { o.Env.Threads = 3 }), set("little memory", func(o *flowruntime.Options) { o.Env.LowMemory = true }),
		set("--device auto", func(o *flowruntime.Options) { o.Device = "auto" }), set("--precision fp32", func(o *flowruntime.Options) { o.Precision = "fp32" }),
		set("--edition refiners", func(o *flowruntime.Options) { o.Edition = "refiners" }),
	}
	for _, old := range []string{"model", "scifi", "tokens", "adapted", "text", "noise", "latents", "image"} {
		text := strings.ReplaceAll(strings.ReplaceAll(strings.Replace(l.text, "\n  "+old+":", "\n  "+old+"-renamed:", 1), "$"+old+".", "$"+old+"-renamed."), "$"+old+",", "$"+old+"-renamed,")
		out = append(out, mutation{place: "another name of node " + old, text: text})
	}
	return out
}
