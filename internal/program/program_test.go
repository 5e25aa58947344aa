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
	lives, _, _ := lifetimes(p, nil)
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

// TestEmptyLoopKeepsItsCarries has a loop whose only instruction is hoisted: what follows must not lie on the carried value.
func TestEmptyLoopKeepsItsCarries(t *testing.T) {
	b := NewBuilder("empty", F32)
	x := b.Input("x", Float32, 1, 32)
	b.Loop(2)
	c := b.Carry("c", x)
	b.Next(c, b.Affine(x, 2, 0))
	b.EndLoop()
	y := b.Affine(x, 3, 0)
	b.Output("sum", b.Add(y, c))
	p := Hoist(b.Program())
	plan := PlanMemory(p)
	if plan.Offset[y] == plan.Offset[c] {
		t.Error("a value after the loop lies on a carried one")
	}
}

func TestReshapesShareMemory(t *testing.T) {
	b := NewBuilder("reshape", F32)
	x := b.Input("x", Float32, 1, 4, 8)
	y := b.Activate(SiLU, x)
	z := b.Reshape(b.Reshape(y, 1, 2, 2, 8), 1, 32)
	other := b.Affine(b.Reshape(x, 1, 32), 2, 0)
	b.Output("sum", b.Add(z, other))
	b.Output("y", y)
	p := b.Program()
	plan := PlanMemory(p)
	if plan.Offset[z] != plan.Offset[y] || plan.Offset[z] == plan.Offset[other] {
		t.Errorf("offsets %v", plan.Offset)
	}
	if lives, _, _ := lifetimes(p, nil); len(lives) != 4 {
		t.Errorf("%d values with memory of their own, want 4", len(lives))
	}
}

func TestReshapeOfACarryIsACopy(t *testing.T) {
	b := NewBuilder("reshape", F32)
	x := b.Input("x", Float32, 1, 32)
	b.Loop(2)
	c := b.Carry("c", x)
	last := b.Reshape(c, 4, 8)
	b.Next(c, b.Affine(c, 2, 0))
	b.EndLoop()
	b.Output("last", b.Affine(last, 1, 0))
	plan := PlanMemory(b.Program())
	if plan.Offset[last] == plan.Offset[c] {
		t.Error("a copy of a carried value lies where the value changes")
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

func TestCatchShape(t *testing.T) {
	build := func(v any) (err error) {
		defer CatchShape(&err)
		if v != nil {
			panic(v)
		}
		return nil
	}
	shape := &ShapeError{Scope: "unet", Msg: "3 is not 4"}
	if err := build(shape); err != error(shape) {
		t.Errorf("a mistake in shapes gives %v", err)
	}
	if err := build(nil); err != nil {
		t.Errorf("no panic gives %v", err)
	}
	defer func() {
		if v := recover(); v != "other" {
			t.Errorf("another panic became %v", v)
		}
	}()
	_ = build("other")
	t.Error("another panic was swallowed")
}
