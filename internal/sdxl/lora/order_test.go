package lora

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"testing"
)

// attached is a pair of keys with their shapes and the layer that Refiners gave them to.
type attached struct {
	down, up string
	a, b     []int
	place    *string
}

func (p *attached) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&p.down, &p.up, &p.a, &p.b, &p.place})
}

// TestRefinersOrder attaches files as Refiners' real SDLoraManager did, at SDXL's size.
func TestRefinersOrder(t *testing.T) {
	f, err := os.Open("testdata/refiners.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Shapes map[string]map[string][]int
		Cases  map[string][]attached
	}
	if err := json.NewDecoder(z).Decode(&golden); err != nil {
		t.Fatal(err)
	}
	model := make(Model)
	for component, layers := range golden.Shapes {
		model[component] = make(map[string][]int)
		for name, shape := range layers {
			model[component][name+".weight"] = shape
		}
	}
	if len(golden.Cases) < 7 {
		t.Fatalf("%d cases", len(golden.Cases))
	}
	for name, pairs := range golden.Cases {
		t.Run(name, func(t *testing.T) {
			shapes, want := make(map[string][]int), make(map[string]string)
			for _, p := range pairs {
				shapes[p.down], shapes[p.up] = p.a, p.b
				if p.place != nil {
					want[p.down] = *p.place
				}
			}
			couples, problem := coupled(shapes)
			if problem != "" {
				t.Fatal(problem)
			}
			named, n := 0, spell(model)
			for i, p := range arrange(couples, model) {
				got := ""
				if p.path != "" {
					got = p.component + "/" + p.path
				}
				if got != want[couples[i].down] {
					t.Errorf("%s lands on %q, want %q", couples[i].down, got, want[couples[i].down])
				}
				if s, ok := n.find(couples[i].name); ok && s.place == p {
					named++
				}
			}
			if len(couples) != len(pairs) {
				t.Errorf("%d pairs, want %d", len(couples), len(pairs))
			}
			t.Logf("%d of %d pairs land on the layer that they name", named, len(pairs))
		})
	}
}

// TestRefinersOrderStrength reads no alpha, and refuses what the manager cannot take.
func TestRefinersOrderStrength(t *testing.T) {
	const q = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"
	list := tensors{q + ".lora_down.weight 4 64": nil, q + ".lora_up.weight 64 4": nil, q + ".alpha": {1}}
	a, err := apply(t, list, nil, Options{Scale: 0.5, Attach: RefinersOrder})
	if err != nil {
		t.Fatal(err)
	}
	got := a.Match().Targets
	// the first layer of the kind and shape in order
	if len(got) != 1 || got[0].path != "down_blocks.1.attentions.0.proj_in" || got[0].alpha != got[0].divide {
		t.Errorf("targets %+v", got[0])
	}
	list[q+".lora_mid.weight 4 4 3 3"] = nil
	list[q+".other.weight 4 4 3 3"] = nil
	if _, err := apply(t, list, nil, Options{Scale: 1, Attach: RefinersOrder}); err == nil {
		t.Error("three matrices of a layer are taken for a pair")
	}
}
