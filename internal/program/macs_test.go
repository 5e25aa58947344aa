package program

import "testing"

// A convolution by Winograd's algorithm counts in full as a multiply-add of its direct form, and as a quarter of what is multiplied; another
// product counts the same in both.
func TestMACs(t *testing.T) {
	for name, c := range map[string]struct {
		winograd     bool
		direct, done int64
	}{"Winograd": {true, 8 * 8 * 4 * 3 * 9, 8 * 8 * 4 * 3 * 9 / 4}, "direct": {false, 8 * 8 * 4 * 3 * 9, 8 * 8 * 4 * 3 * 9}} {
		b := NewBuilder("test", F32)
		tap := Tap{X: b.Input("x", Float32, 1, 8, 8, 3), W: b.Weight("w", 4, 3, 3, 3), KH: 3, KW: 3, Stride: 1, PadTop: 1, PadLeft: 1}
		if c.winograd {
			b.Output("y", b.Winograd(tap, nil))
		} else {
			b.Output("y", b.Product([]Tap{tap}, nil, None))
		}
		p := b.Program()
		if direct, done := MACs(p), Multiplications(p); direct != c.direct || done != c.done {
			t.Errorf("%s: %d multiply-adds and %d multiplications, want %d and %d", name, direct, done, c.direct, c.done)
		}
	}
}
