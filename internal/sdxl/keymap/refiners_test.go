package keymap

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// refinersGolden is what Refiners' own recipes make of names; internal/tools/goldens/refiners_keys.py made it.
type refinersGolden struct {
	Cases map[string][][3]string // component, canonical, Refiners'
	Names map[string][]string
}

func readRefiners(t testing.TB) *refinersGolden {
	t.Helper()
	f, err := os.Open("testdata/refiners.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	g := new(refinersGolden)
	if err := json.NewDecoder(z).Decode(g); err != nil {
		t.Fatal(err)
	}
	return g
}

// columns splits the rows of a case.
func columns(rows [][3]string) (canonical map[string][]string, refiners []string) {
	canonical = make(map[string][]string)
	for _, row := range rows {
		canonical[row[0]] = append(canonical[row[0]], row[1])
		refiners = append(refiners, row[2])
	}
	return canonical, refiners
}

// TestRefinersRecipes compares both directions with Refiners' recipes, name by name.
func TestRefinersRecipes(t *testing.T) {
	g := readRefiners(t)
	if len(g.Cases) != 7 {
		t.Fatalf("%d cases", len(g.Cases))
	}
	for name, rows := range g.Cases {
		part, _, _ := strings.Cut(name, ",")
		canonical, refiners := columns(rows)
		if part == PartText { // Refiners' file lacks what it does not use
			canonical["text_encoder"] = withLastLayer(canonical["text_encoder"])
		}
		to, err := ToRefiners(part, canonical, SDXLAttentions)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		from, err := FromRefiners(refiners, SDXLAttentions)
		if err != nil || from == nil || from.Part != part {
			t.Fatalf("%s: recognised as %+v, %v", name, from, err)
		}
		for _, row := range rows {
			if got, ok := to.Name(row[0], row[1]); !ok || got.Name != row[2] {
				t.Errorf("%s: %s is %q, want %q", name, row[1], got.Name, row[2])
			}
			if component, got, ok := from.Canonical(row[2]); !ok || component != row[0] || got.Name != row[1] {
				t.Errorf("%s: %s is %s/%s, want %s/%s", name, row[2], component, got.Name, row[0], row[1])
			}
		}
		if missing := to.Missing(func(c, n string) bool { return slices.Contains(canonical[c], n) }); len(missing) > 0 {
			t.Errorf("%s: %v are missing", name, missing)
		}
	}
}

// withLastLayer adds the tensors of the last layer and the last norm, which only the whole encoder has.
func withLastLayer(names []string) []string {
	n := textLayers(newPaths(names))
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, "text_model.encoder.layers.0."); ok {
			names = append(names, fmt.Sprintf("text_model.encoder.layers.%d.%s", n, rest))
		}
	}
	return append(names, "text_model.final_layer_norm.weight", "text_model.final_layer_norm.bias")
}

// TestRefinersFewLayers holds numbering where a class stands alone to Refiners' own classes.
func TestRefinersFewLayers(t *testing.T) {
	g := readRefiners(t)
	for name, want := range g.Names {
		r, err := FromRefiners(want, SDXLAttentions)
		if err != nil || r == nil {
			t.Fatalf("%s: %v", name, err)
		}
		canonical := make(map[string][]string)
		for _, n := range want {
			c, target, ok := r.Canonical(n)
			if !ok {
				t.Fatalf("%s: %s has no canonical name", name, n)
			}
			canonical[c] = append(canonical[c], target.Name)
		}
		to, err := ToRefiners(r.Part, canonical, SDXLAttentions)
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range canonical["image_encoder"] {
			if got, ok := to.Name("image_encoder", n); !ok || got.Name != want[i] {
				t.Errorf("%s: %s comes back as %s", name, want[i], got.Name)
			}
		}
	}
}

// TestRefinersOtherShapes takes the small model and one unlike SDXL there and back: other numbers of blocks and layers,
// transformers of one layer.
func TestRefinersOtherShapes(t *testing.T) {
	unet := canonicalUNet([]unetBlock{{2, 0, true}, {2, 2, true}, {2, 1, false}}, 1)
	alike := canonicalUNet([]unetBlock{{1, 2, true}, {3, 0, true}, {1, 1, true}, {1, 4, false}}, 4)
	for _, names := range [][]string{unet, alike} {
		to, err := ToRefiners(PartUNet, map[string][]string{"unet": names}, Attentions{})
		if err != nil {
			t.Fatal(err)
		}
		var refiners []string
		for _, n := range names {
			got, ok := to.Name("unet", n)
			if !ok {
				t.Fatalf("%s has no name", n)
			}
			refiners = append(refiners, got.Name)
		}
		from, err := FromRefiners(refiners, Attentions{})
		if err != nil || from == nil {
			t.Fatalf("not recognised: %v", err)
		}
		for i, n := range refiners {
			if _, got, ok := from.Canonical(n); !ok || got.Name != names[i] {
				t.Errorf("%s, from %s, comes back as %s", n, names[i], got.Name)
			}
		}
	}
}

// canonicalUNet lists one tensor of each layer of a UNet whose up blocks mirror its down blocks.
func canonicalUNet(downs []unetBlock, mid int) []string {
	r := newRefiners(PartUNet)
	ups := slices.Clone(downs)
	slices.Reverse(ups)
	for i := range ups {
		ups[i].layers++
		ups[i].resampler = i < len(ups)-1
	}
	if err := r.unet(unetShape{downs: downs, ups: ups, mid: mid}); err != nil {
		panic(err)
	}
	var names []string
	for _, p := range r.pairs {
		names = append(names, p.name+".weight")
	}
	return names
}

// TestAdapterOrder numbers the small model's adapter: down 1-6, up 7-15, middle 16 in the original's order.
func TestAdapterOrder(t *testing.T) {
	var names []string
	for i := range 16 {
		names = append(names, fmt.Sprintf("ip_adapter.%d.to_k_ip.weight", 2*i+1))
	}
	names = append(names, "image_proj.latents")
	r, err := ToRefiners(PartIPAdapter, map[string][]string{"ip_adapter": names}, Attentions{Down: 6, Mid: 1, Up: 9})
	if err != nil {
		t.Fatal(err)
	}
	for original, want := range map[int]int{1: 0, 11: 5, 13: 7, 29: 15, 31: 6} {
		got, ok := r.Name("ip_adapter", fmt.Sprintf("ip_adapter.%d.to_k_ip.weight", original))
		if !ok || got.Name != fmt.Sprintf("ip_adapter.%03d.to_k_ip.weight", want) {
			t.Errorf("%d is %s, want %d", original, got.Name, want)
		}
	}
	if _, err := ToRefiners(PartIPAdapter, map[string][]string{"ip_adapter": names}, SDXLAttentions); err == nil ||
		!strings.Contains(err.Error(), "an IP-Adapter for 16 cross-attentions; the UNet has 70 (down 24, middle 10, up 36)") {
		t.Errorf("got %v", err)
	}
}

// TestNotRefiners has other files: none is taken for one of Refiners'.
func TestNotRefiners(t *testing.T) {
	for _, names := range [][]string{nil, {"conv_in.weight"}, {"model.diffusion_model.input_blocks.0.0.weight"}, {"Chain.Linear.weight"}, {"ip_adapter.1.to_k_ip.weight"}} {
		if r, err := FromRefiners(names, SDXLAttentions); r != nil || err != nil {
			t.Errorf("%v: %+v, %v", names, r, err)
		}
	}
	for part, names := range map[string][]string{PartUNet: {"conv_in.weight"}, PartVAE: {"x"}, PartText: {"x"}, PartImageEncoder: {"x"}, PartIPAdapter: {"x"}, "no": nil} {
		if _, err := ToRefiners(part, map[string][]string{PartComponents(part)[0]: names}, SDXLAttentions); err == nil {
			t.Errorf("%s: no error", part)
		}
	}
}
