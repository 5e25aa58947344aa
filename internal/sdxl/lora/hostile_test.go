package lora

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// TestHostileShapes puts any roles with any shapes on any sort of layer: what is accepted can be applied, the rest is an error.
func TestHostileShapes(t *testing.T) {
	m, err := weights.Open("../../../examples/castle/model", weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	unet, err := m.Component("unet")
	if err != nil {
		t.Fatal(err)
	}
	model := Model{"unet": unet.Shapes()}
	layers := []string{"down_blocks.1.attentions.0.proj_in", "mid_block.resnets.0.conv1", "conv_norm_out", "conv_in", "time_embedding.linear_1"}
	dims := []string{"", " 1", " 0", " 2", " 64", " 96", " 48", " 4", " 3", " 8"}
	r := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for range 400 {
		layer := layers[r.IntN(len(layers))]
		weight := model["unet"][layer+".weight"]
		form := methods[r.IntN(len(methods))]
		list := make(tensors)
		for _, role := range append(append([]role{}, form.must...), form.may...) {
			end := ""
			for _, s := range suffixes {
				if s.role == role && !strings.HasPrefix(s.end, "_") {
					end = s.end
				}
			}
			if r.IntN(8) == 0 {
				continue
			}
			list["unet."+layer+end+hostileShape(r, role, weight, dims)] = nil
		}
		if len(list) == 0 {
			continue
		}
		f, err := Open(write(t, list, nil))
		if err != nil {
			continue
		}
		a, err := Apply(f, model, Options{Scale: 0.5})
		if err != nil {
			_ = f.Close()
			continue
		}
		accepted++
		src := NewSource(weights.NewBundle(unet))
		a.Join(src, "lora.0.unet", "unet")
		w, err := src.Weight("unet/" + layer + ".weight")
		if err != nil || len(w.Data) != program.Elems(weight)*w.Type.Size() {
			t.Errorf("%v on %s: %v", list, layer, err)
		}
		if _, err := src.Weight("unet/" + layer + ".bias"); err != nil {
			t.Errorf("%v on %s: %v", list, layer, err)
		}
		a.Additions("lora.0.unet", "unet")
		_ = a.Close()
	}
	t.Logf("%d of 400 files are accepted", accepted)
	if accepted < 20 {
		t.Error("too few files are accepted to tell")
	}
}

// hostileShape is mostly the shape that a role should have on a weight, for rank 2, and sometimes any.
func hostileShape(r *rand.Rand, as role, weight []int, dims []string) string {
	if r.IntN(12) == 0 {
		out := ""
		for range r.IntN(6) {
			out += dims[r.IntN(len(dims))]
		}
		return out
	}
	out, in, kernel := dimension(weight[0]), " 1", ""
	if len(weight) > 1 {
		in = dimension(weight[1])
	}
	if len(weight) == 4 {
		kernel = dimension(weight[2]) + dimension(weight[3])
	}
	flat := dimension(size(weight[1:]))
	switch as {
	case down:
		return " 2" + in + kernel
	case up:
		return out + " 2"
	case mid, hadaT1, hadaT2, lokrT2:
		return " 2 2" + kernel
	case alpha:
		return ""
	case hadaW1A, hadaW2A:
		return out + " 2"
	case hadaW1B, hadaW2B:
		return " 2" + flat
	case lokrW1:
		return " 1 1"
	case lokrW1A:
		return " 1 2"
	case lokrW1B:
		return " 2 1"
	case lokrW2, diff:
		return out + in + kernel
	case lokrW2A:
		return out + " 2"
	case lokrW2B:
		return " 2" + in + kernel
	}
	return out
}

func dimension(n int) string { return " " + strconv.Itoa(n) }
