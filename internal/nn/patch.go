package nn

import "github.com/seed-8af8f8e1/flow/internal/program"

// patched adds to the taps by which a product reads a weight those of the weight's patches:
// y = x W + (s * x A) B, two thin products beside the wide one. The second is summed in the wide one's accumulator.
func patched(b *program.Builder, taps ...program.Tap) []program.Tap {
	whole := taps
	for _, p := range b.PatchesOf(taps[0].W) {
		b.Scope("patch", func() {
			h, layer := program.None, taps[0]
			if p.Mid == nil {
				h = b.Product(through(b, p.Down, taps, layer), nil, None)
			} else { // the kernel stands in the middle
				h = b.Product(through(b, p.Down, taps, program.Tap{}), nil, None)
				h = b.Product(through(b, *p.Mid, []program.Tap{{X: h}}, layer), nil, None)
			}
			h = b.Affine(h, p.Scale, 0)
			whole = append(whole[:len(whole):len(whole)], through(b, p.Up, []program.Tap{{X: h}}, program.Tap{})...)
		})
	}
	return whole
}

// through reads the inputs of taps by a factor in the place of their weight; layer says with which stride and
// border. A factor with another kernel than the layer's keeps the picture's size, as a border of half its kernel does.
func through(b *program.Builder, f program.Factor, taps []program.Tap, layer program.Tap) []program.Tap {
	kernel := 1
	if len(f.Shape) == 4 {
		kernel = f.Shape[2]
	}
	w := b.Factor(f)
	var out []program.Tap
	for _, t := range taps {
		n := program.Tap{X: t.X, W: w, WOffset: t.WOffset, KH: kernel, KW: kernel, Stride: layer.Stride,
			PadTop: layer.PadTop, PadLeft: layer.PadLeft, OutH: layer.OutH, OutW: layer.OutW}
		if kernel != max(1, layer.KH) {
			n.PadTop, n.PadLeft = kernel/2, kernel/2
		}
		out = append(out, n)
	}
	return out
}
