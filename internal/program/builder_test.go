package program

import "testing"

func TestCarriesThatFeedEachOtherAreCopied(t *testing.T) {
	b := NewBuilder("shift", F32)
	x := b.Input("x", Float32, 1, 4)
	b.Loop(2)
	now, last := b.Carry("now", x), b.Carry("last", x)
	b.Next(now, b.Affine(now, 2, 0))
	b.Next(last, now)
	b.EndLoop()
	b.Output("last", last)
	p := b.Program()
	if next := p.Carries[1].Next; p.Value(next).Origin != FromOp {
		t.Errorf("the next value %d is a carry itself", next)
	}
	shapeError(t, func() { b.Next(last, now) }) // outside the loop
}

func TestGroupNormNeedsItsVectors(t *testing.T) {
	b := NewBuilder("norm", F32)
	x := b.Input("x", Float32, 1, 3, 4)
	shapeError(t, func() { b.GroupNorm(2, 1e-5, None, b.Weight("beta", 4), x) })
	shapeError(t, func() { b.GroupNorm(2, 1e-5, b.Weight("gamma", 4), None, x) })
}

func shapeError(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if _, ok := recover().(*ShapeError); !ok {
			t.Error("there was no shape error")
		}
	}()
	f()
}
