package cuda

import "github.com/seed-8af8f8e1/flow/internal/program"

// tilingJob is Tiling of winograd.cu.
type tilingJob struct {
	Planes, Image, Residual, Biases    uint64
	First, Tiles, H, W, C              int32
	TilesY, TilesX, Top, Left, Doubled int32
	CountBiases, Padding               int32
}

// The planes of Winograd's algorithm, the results along a side of a tile, and how many floats of planes are made at a time.
const (
	planes       = 36
	tileSide     = 4
	planesAtOnce = 1 << 25
)

// winogradFactors are the divisors of the 36 products (docs/numerics.md, Winograd).
var winogradFactors = func() (f [planes]float64) {
	const a2, b2 = 0.75 * 0.75, 1.5 * 1.5
	line := [6]float64{1 / (a2 * b2), 1 / (2 * a2 * (a2 - b2)), 1 / (2 * a2 * (a2 - b2)), 1 / (2 * b2 * (b2 - a2)), 1 / (2 * b2 * (b2 - a2)), 1}
	for i, a := range line {
		for j, b := range line {
			f[6*i+j] = a * b
		}
	}
	return f
}()

// winograd makes a 3x3 convolution: planes of weights; then for some tiles at a time planes of inputs, their products, and results.
func (x *exec) winograd(in *program.Instr, op *program.Product) []action {
	s := op.Segments[0]
	src, out := x.image(in.In[s.X]), x.image(in.Out[0])
	w, kind := x.weight(in.In[s.W])
	tilesY, tilesX := div(out.h, tileSide), div(out.w, tileSide)
	all := out.b * tilesY * tilesX
	some := min(all, max(tileRows, planesAtOnce/(planes*(src.c+out.c))/tileRows*tileRows))
	n := out.c * src.c
	memory := x.scratch(planes*int64(n), planes*int64(some)*int64(src.c), planes*int64(some)*int64(out.c))
	actions := []action{x.each("winograd_weights", n, 1, memory[0], w, x.table(winogradFactors), n, src.c, x.p.Shape(in.In[s.W])[1], s.WOffset, int(kind))}
	job := tilingJob{Planes: memory[1], Image: uint64(x.at(in.In[s.X])), H: int32(src.h), W: int32(src.w), C: int32(src.c), TilesY: int32(tilesY), TilesX: int32(tilesX),
		Top: int32(s.PadTop), Left: int32(s.PadLeft), Doubled: flag(s.Doubled)}
	back := tilingJob{Planes: memory[2], Image: uint64(x.at(in.Out[0])), Biases: x.biases(in, op.Biases), H: int32(out.h), W: int32(out.w), C: int32(out.c),
		TilesY: int32(tilesY), TilesX: int32(tilesX), CountBiases: int32(len(op.Biases))}
	if r := op.Epilogue.Residual; r != 0 {
		back.Residual = uint64(x.at(in.In[r]))
	}
	for first := 0; first < all; first += some {
		tiles := min(some, all-first)
		job.First, job.Tiles, back.First, back.Tiles = int32(first), int32(tiles), int32(first), int32(tiles)
		actions = append(actions,
			x.each("winograd_in", tiles*src.c, 1, x.table(job)),
			x.multiply("product_f32", productJob{Y: memory[2], Plane: uint64(tiles * out.c), Rows: int32(tiles), N: int32(out.c), Sums: int32(out.c), OH: 1, OW: 1, CountSegments: 1},
				planes, productSegment{X: memory[1], W: memory[0], C: int32(src.c), CW: int32(src.c), KH: 1, KW: 1, Stride: 1, H: 1, Wd: 1, Linear: 1,
					Vector: 3 * flag(src.c%8 == 0), PlaneX: uint64(tiles * src.c), PlaneW: uint64(n)}),
			x.each("winograd_out", tiles*out.c, 1, x.table(back)))
	}
	if len(in.Out) == 2 {
		actions = append(actions, x.moments(uint64(x.at(in.Out[1])), in.Out[0]))
	}
	return actions
}
