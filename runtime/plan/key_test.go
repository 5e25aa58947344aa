package plan

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

// keys gives the action key of each stored step by name. What a step gives is taken to have its own key as digest, so that
// what goes into a step's key goes into its readers' too.
func keys(t *testing.T, p *Plan, parts map[string]byte) map[string]string {
	t.Helper()
	out := make(map[string]string)
	given := make(map[*Step]nodes.Digest)
	for _, s := range p.Steps {
		for _, l := range s.Live {
			l.(*toyModel).parts = parts
		}
		if s.Kind.Live() {
			continue
		}
		d := Digests{Stored: make(map[string]nodes.Digest), Live: make(map[string]map[string]nodes.Digest)}
		for _, in := range s.Inputs {
			if !in.Type.Live() {
				d.Stored[in.Path] = given[in.From]
			}
		}
		for _, use := range s.Plan.Uses {
			d.Live[use.Input] = make(map[string]nodes.Digest)
			for _, c := range use.Components {
				digest, err := s.LiveInputs()[use.Input].Digest(t.Context(), c, nil)
				if err != nil {
					t.Fatal(err)
				}
				d.Live[use.Input][c] = digest
			}
		}
		_, key, err := p.Action(s, d)
		if err != nil {
			t.Fatal(err)
		}
		given[s] = key
		out[s.Name] = nodes.Digest(key).String()
	}
	return out
}

// changed lists the steps whose keys differ, in the castle's order.
func changed(a, b map[string]string) string {
	var out []string
	for _, name := range []string{"text", "noise", "latents", "image"} {
		if a[name] == "" || b[name] == "" {
			out = append(out, "no "+name)
		}
		if a[name] != b[name] {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

var bothParts = map[string]byte{"unet": 1, "text": 2}

func override(t *testing.T, s string) func(*Options) {
	t.Helper()
	o, problem := spec.ParseOverride(s)
	if problem != nil {
		t.Fatal(problem)
	}
	return func(opt *Options) { opt.Overrides = []spec.Override{o} }
}

// TestKeys: what a change of the file, its place, its parameters or its models re-keys.
func TestKeys(t *testing.T) {
	before := keys(t, mustBuild(t, castle, nil), bothParts)
	edit := func(from ...string) string {
		text := strings.NewReplacer(from...).Replace(castle)
		if text == castle {
			t.Fatalf("%q is not in the file", from)
		}
		return text
	}
	for name, tt := range map[string]struct {
		text   string
		change func(*Options)
		parts  map[string]byte
		want   string
	}{
		"the same, in another folder": {text: castle},
		"comments":                    {text: "# new\n" + edit("seed: $params.seed}", "seed: $params.seed} # a seed")},
		"the author's version":        {text: edit("name: castle", "name: castle\nversion: 2.0.0")},
		"the workflow's name":         {text: edit("name: castle", "name: tower")},
		"the order of keys":           {text: edit("{kind: denoise, model: $base.model, latents: $noise.latents, conditioning: $text.conditioning}", "{conditioning: $text.conditioning, latents: $noise, kind: denoise, model: $base}")},
		"a default that is written":   {text: edit("seed: $params.seed}", "seed: $params.seed, ratio: 5.0e-1}")},
		"version 1 that is named":     {text: edit("kind: noise", "kind: noise@1")},
		"the parameter's name":        {text: edit("params.word", "params.words", "  word:", "  words:")},
		"the model's name":            {text: edit("small: {", "large: {", "$models.small", "$models.large")},
		"the output's path":           {text: edit("out/", "elsewhere/")},
		"device":                      {text: castle, change: func(o *Options) { o.Device = "auto" }},
		"seed":                        {text: castle, change: override(t, "seed=43"), want: "noise latents image"},
		"a float's last bit":          {text: edit("seed: $params.seed}", "seed: $params.seed, ratio: 0.50000000000000011}"), want: "noise latents image"},
		"prompt":                      {text: castle, change: override(t, "word=a tower"), want: "text latents image"},
		"version 2 of a kind":         {text: edit("kind: noise, seed: $params.seed", "kind: noise@2"), want: "noise latents image"},
		"precision":                   {text: castle, change: func(o *Options) { o.Precision = "fp32" }, want: "text latents image"},
		"edition":                     {text: castle, change: func(o *Options) { o.Edition = "refiners" }, want: "text latents image"},
		"the unet":                    {text: castle, parts: map[string]byte{"unet": 9, "text": 2}, want: "latents image"},
		"the text encoder":            {text: castle, parts: map[string]byte{"unet": 1, "text": 9}, want: "text latents image"},
		"both parts swapped":          {text: castle, parts: map[string]byte{"unet": 2, "text": 1}, want: "text latents image"},
	} {
		parts := tt.parts
		if parts == nil {
			parts = bothParts
		}
		if got := changed(before, keys(t, mustBuild(t, tt.text, tt.change), parts)); got != tt.want {
			t.Errorf("%s: changed %q, want %q", name, got, tt.want)
		}
	}
}

// TestKeysOfRenamedNodes are those of the nodes before.
func TestKeysOfRenamedNodes(t *testing.T) {
	before := keys(t, mustBuild(t, castle, nil), bothParts)
	renamed := strings.NewReplacer("  noise:", "  zzz:", "$noise.", "$zzz.", "  base:", "  b:", "$base.", "$b.", "  text:", "  t:", "$text.", "$t.").Replace(castle)
	after := keys(t, mustBuild(t, renamed, nil), bothParts)
	for old, now := range map[string]string{"noise": "zzz", "text": "t", "latents": "latents", "image": "image"} {
		if before[old] != after[now] {
			t.Errorf("%s has another key as %s", old, now)
		}
	}
}

// TestActionDocument is canonical and pinned: its form decides every key in every store.
func TestActionDocument(t *testing.T) {
	p := mustBuild(t, castle, nil)
	d := Digests{Stored: map[string]nodes.Digest{"latents": {1}, "conditioning": {2}}, Live: map[string]map[string]nodes.Digest{"model": {"unet": {3}}}}
	document, key, err := p.Action(p.step("latents"), d)
	if err != nil {
		t.Fatal(err)
	}
	zeros := strings.Repeat("0", 62)
	want := fmt.Sprintf(`{"args":{},"edition":"diffusers","inputs":{"conditioning":"02%s","latents":"01%s","model":{"unet":"03%s"}},"key":2,"kind":"denoise@1","numerics":"bf16@1"}`, zeros, zeros, zeros)
	if string(document) != want {
		t.Errorf("%s, want\n%s", document, want)
	}
	if key != sha256.Sum256(document) {
		t.Errorf("key %x", key)
	}
	document, _, err = p.Action(p.step("noise"), Digests{})
	if want := `{"args":{"ratio":"f64:3fe0000000000000","seed":"u64:42"},"inputs":{},"key":2,"kind":"noise@1"}`; err != nil || string(document) != want {
		t.Errorf("%s, want\n%s, %v", document, want, err)
	}
}

// TestInputsAreToldApart by their arguments: two images in another order are another action.
func TestInputsAreToldApart(t *testing.T) {
	p := mustBuild(t, nodesOnly("a: {kind: image}", "b: {kind: image, images: [$a, $a]}"), nil)
	seen := make(map[string]bool)
	for _, d := range []map[string]nodes.Digest{
		{"images.0": {1}, "images.1": {2}}, {"images.0": {2}, "images.1": {1}}, {"images.0": {1}}, {"images.1": {1}}, {"latents": {1}},
	} {
		_, key, err := p.Action(p.step("b"), Digests{Stored: d})
		if err != nil {
			t.Fatal(err)
		}
		seen[nodes.Digest(key).String()] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d keys for 5 actions", len(seen))
	}
}
