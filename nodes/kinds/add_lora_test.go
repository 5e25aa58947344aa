package kinds

import (
	"context"
	"maps"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/nodes"
)

const castleModel = "../../examples/castle/model"

// mapMemo is a memo in memory.
type mapMemo map[string][]byte

func (m mapMemo) Get(key string) ([]byte, bool) { v, ok := m[key]; return v, ok }
func (m mapMemo) Put(key string, v []byte)      { m[key] = v }

// open opens a live node.
func open(t *testing.T, k *nodes.Kind, args map[string]any, in nodes.Live) *model {
	t.Helper()
	op, err := k.New(nodes.NewArgs(args))
	if err != nil {
		t.Fatal(err)
	}
	env := &nodes.Env{Warn: func(m string) { t.Errorf("a warning: %s", m) }}
	live, err := op.(nodes.LiveOp).Open(context.Background(), env, nodes.PlanInputs{Live: map[string]nodes.Live{"model": in}})
	if err != nil {
		t.Fatal(err)
	}
	return live["model"].(*model)
}

// addedLoRA opens an add-lora node on a model.
func addedLoRA(t *testing.T, m *model, name string, scale float64) *model {
	t.Helper()
	return loraOn(t, m, name, scale, false)
}

// loraOn opens an add-lora node that merges or does not.
func loraOn(t *testing.T, m *model, name string, scale float64, merge bool) *model {
	t.Helper()
	return open(t, AddLoRA(), map[string]any{"weights": nodes.File{Path: "../../examples/" + name + "/loras/" + name + ".safetensors"},
		"scale": scale, "attach": "by-name", "merge": merge, "unmatched": "error"}, m)
}

func digests(t *testing.T, m *model, memo nodes.Memo) map[string]nodes.Digest {
	t.Helper()
	out := make(map[string]nodes.Digest)
	for _, c := range m.Components() {
		d, err := m.Digest(context.Background(), c, memo)
		if err != nil {
			t.Fatal(err)
		}
		out[c] = d
	}
	return out
}

// TestLoRADigests: a LoRA changes the digests of what it touches, by its tensors and its scale, and nothing else.
func TestLoRADigests(t *testing.T) {
	memo := make(mapMemo)
	base := open(t, LoadModel(), map[string]any{"weights": nodes.File{Path: castleModel}}, nil)
	defer func() { _ = base.Close() }()
	plain := digests(t, base, memo)
	text := map[string]bool{sdxl.UNet: true, sdxl.TextEncoder: true, sdxl.TextEncoder2: true}
	seen := map[nodes.Digest]string{plain[sdxl.UNet]: "no LoRA"}
	for _, c := range []struct {
		name    string
		make    func() *model
		touched map[string]bool
	}{
		{"sci-fi", func() *model { return addedLoRA(t, base, "sci-fi", 1) }, text},
		{"sci-fi at another scale", func() *model { return addedLoRA(t, base, "sci-fi", 0.5) }, text},
		{"pixel-art", func() *model { return addedLoRA(t, base, "pixel-art", 1) }, map[string]bool{sdxl.UNet: true}},
		{"both", func() *model { return addedLoRA(t, addedLoRA(t, base, "sci-fi", 1), "pixel-art", 1) }, text},
		{"sci-fi merged", func() *model { return loraOn(t, base, "sci-fi", 1, true) }, text},
		{"sci-fi merged, pixel-art beside", func() *model { return addedLoRA(t, loraOn(t, base, "sci-fi", 1, true), "pixel-art", 1) }, text},
		{"both the other way round", func() *model { return addedLoRA(t, addedLoRA(t, base, "pixel-art", 1), "sci-fi", 1) }, text},
	} {
		m := c.make()
		got := digests(t, m, memo)
		for component, d := range got {
			if changed := d != plain[component]; changed != c.touched[component] {
				t.Errorf("%s: the digest of the %s changes: %v", c.name, component, changed)
			}
		}
		if other, dup := seen[got[sdxl.UNet]]; dup {
			t.Errorf("%s and %s have one digest", c.name, other)
		}
		seen[got[sdxl.UNet]] = c.name
	}
	if got := digests(t, addedLoRA(t, base, "sci-fi", 0), memo); !maps.Equal(got, plain) {
		t.Error("a LoRA at scale 0 changes digests")
	}
	if got := digests(t, loraOn(t, base, "sci-fi", 0, true), memo); !maps.Equal(got, plain) {
		t.Error("a LoRA merged at scale 0 changes digests")
	}
}

// TestLoRARescaled: with the model's digests remembered, another scale reads nothing to know its keys.
func TestLoRARescaled(t *testing.T) {
	base := open(t, LoadModel(), map[string]any{"weights": nodes.File{Path: castleModel}}, nil)
	defer func() { _ = base.Close() }()
	memo := make(mapMemo)
	first := addedLoRA(t, base, "sci-fi", 1)
	if _, unread, ok := first.Known(sdxl.UNet, memo); ok || unread == 0 {
		t.Errorf("known before anything is hashed: %d bytes to read", unread)
	}
	digests(t, first, memo)
	again := open(t, LoadModel(), map[string]any{"weights": nodes.File{Path: castleModel}}, nil)
	defer func() { _ = again.Close() }()
	second := addedLoRA(t, again, "sci-fi", 0.3)
	for _, c := range []string{sdxl.UNet, sdxl.TextEncoder, sdxl.TextEncoder2} {
		if _, unread, ok := second.Known(c, memo); !ok || unread != 0 {
			t.Errorf("%s: %d bytes to read again", c, unread)
		}
	}
}

// TestMergedIdentity: what a LoRA is merged into is known by the weight and what is merged, and everything else as before.
func TestMergedIdentity(t *testing.T) {
	base := open(t, LoadModel(), map[string]any{"weights": nodes.File{Path: castleModel}}, nil)
	defer func() { _ = base.Close() }()
	memo := make(mapMemo)
	identity := func(m *model, name string) [32]byte {
		t.Helper()
		src, err := m.weights(sdxl.UNet)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := src.Identity(name); ok && len(memo) == 0 {
			t.Errorf("%s is known before anything is hashed", name)
		}
		digests(t, m, memo)
		id, ok := src.Identity(name)
		if !ok {
			t.Fatalf("%s has no identity", name)
		}
		return id
	}
	var touched string
	for name := range addedLoRA(t, base, "sci-fi", 1).additions(sdxl.UNet) {
		touched = max(touched, name)
	}
	seen := make(map[[32]byte]string)
	for what, m := range map[string]*model{"plain": base, "merged": loraOn(t, base, "sci-fi", 1, true), "at another scale": loraOn(t, base, "sci-fi", 0.5, true),
		"two": loraOn(t, loraOn(t, base, "sci-fi", 1, true), "pixel-art", 1, true), "two in another order": loraOn(t, loraOn(t, base, "pixel-art", 1, true), "sci-fi", 1, true)} {
		id := identity(m, touched)
		if other, dup := seen[id]; dup {
			t.Errorf("%s and %s have one identity", what, other)
		}
		seen[id] = what
		if identity(m, "unet/conv_in.weight") != identity(base, "unet/conv_in.weight") {
			t.Errorf("%s: a weight that the LoRA leaves alone has another identity", what)
		}
	}
	again := loraOn(t, base, "sci-fi", 1, true)
	if seen[identity(again, touched)] != "merged" {
		t.Error("one LoRA gives two identities")
	}
	if identity(addedLoRA(t, base, "sci-fi", 1), touched) != identity(base, touched) {
		t.Error("a LoRA beside a weight changes the weight's identity")
	}
}

// TestLoRALifetime: closing a patched model closes the LoRA's file and leaves the model that it was made of.
func TestLoRALifetime(t *testing.T) {
	base := open(t, LoadModel(), map[string]any{"weights": nodes.File{Path: castleModel}}, nil)
	one := addedLoRA(t, base, "sci-fi", 1)
	two := addedLoRA(t, one, "pixel-art", 1)
	if err := two.Close(); err != nil {
		t.Fatal(err)
	}
	src, err := one.weights(sdxl.UNet)
	if err != nil {
		t.Fatal(err)
	}
	for name, patches := range one.additions(sdxl.UNet) {
		for _, w := range []string{name, patches[0].Down.Name, patches[0].Up.Name} {
			if data, err := src.Weight(w); err != nil || len(data.Data) == 0 {
				t.Fatalf("%s after the other LoRA is closed: %v", w, err)
			}
		}
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if src, err = base.weights(sdxl.UNet); err != nil {
		t.Fatal(err)
	}
	if data, err := src.Weight("unet/conv_in.weight"); err != nil || len(data.Data) == 0 {
		t.Errorf("the base after its LoRAs are closed: %v", err)
	}
	if err := base.Close(); err != nil {
		t.Fatal(err)
	}
}
