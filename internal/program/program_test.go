package program

import "testing"

// loopProgram is x' = x + w*x for three steps, with one value made before the loop.
func loopProgram() *Program {
	b := NewBuilder("loop", F32)
	x := b.Input("x", Float32, 1, 2, 4)
	h := b.Activate(SiLU, x)
	b.Loop(3)
	c := b.Carry("x", x)
	y := b.Product([]Tap{{X: c, W: b.Weight("w", 4, 4)}}, nil, None)
	b.Next(c, b.Add(y, h))
	b.EndLoop()
	b.Output("y", b.Affine(c, 2, 0))
	return b.Program()
}

func TestPlanMemoryKeepsLivingValuesApart(t *testing.T) {
	p := loopProgram()
	plan := PlanMemory(p)
	lives := lifetimes(p)
	if len(lives) != 5 {
		t.Fatalf("%d values in the arena, want 5", len(lives))
	}
	for i, a := range lives {
		for _, b := range lives[i+1:] {
			apart := a.to < b.from || b.to < a.from
			ao, bo := plan.Offset[a.id], plan.Offset[b.id]
			if !apart && ao < bo+b.bytes && bo < ao+a.bytes {
				t.Errorf("values %d and %d overlap", a.id, b.id)
			}
		}
	}
	if plan.Bytes >= int64(len(lives))*arenaAlign {
		t.Errorf("arena of %d bytes shares nothing", plan.Bytes)
	}
}

func TestShapeErrorNamesScope(t *testing.T) {
	defer func() {
		err, ok := recover().(*ShapeError)
		if !ok || err.Scope != "unet/conv_in" {
			t.Errorf("recovered %v", err)
		}
	}()
	b := NewBuilder("bad", F32)
	x := b.Input("x", Float32, 1, 2, 2, 3)
	b.Scope("unet/", func() {
		b.Scope("conv_in", func() {
			b.Product([]Tap{{X: x, W: b.Weight("weight", 8, 4, 3, 3), KH: 3, KW: 3, WOffset: 2}}, nil, None)
		})
	})
}
