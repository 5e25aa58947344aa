package conformance

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// moves are operations that place data and must be exact, and embeddings.
func moves() []Case {
	var cases []Case
	image := func(name string, f func(b *program.Builder, n int, x program.ID) program.ID) {
		cases = append(cases, Case{Name: name, build: func(b *program.Builder, n int) {
			b.Output("y", f(b, n, input(b, "x", n, 5, 7, 6)))
		}})
	}
	for axis := 1; axis < 4; axis++ {
		image(fmt.Sprintf("concat/axis %d", axis), func(b *program.Builder, n int, x program.ID) program.ID {
			shape := []int{n, 5, 7, 6}
			shape[axis] = 3
			return b.Concat(axis, x, input(b, "y", shape...), b.Activate(program.ReLU, x))
		})
		image(fmt.Sprintf("slice/axis %d", axis), func(b *program.Builder, _ int, x program.ID) program.ID {
			return b.Slice(x, axis, 1, b.Dim(x, axis)-2)
		})
	}
	image("concat/twice the same", func(b *program.Builder, _ int, x program.ID) program.ID { return b.Concat(-1, x, x) })
	image("slice/last channel", func(b *program.Builder, _ int, x program.ID) program.ID { return b.Slice(x, -1, 5, 6) })
	image("reshape", func(b *program.Builder, n int, x program.ID) program.ID { return b.Reshape(x, n, 35, 6) })
	for _, size := range [][2]int{{10, 14}, {9, 13}, {5, 7}, {6, 30}, {1, 1}, {4, 100}} {
		image(fmt.Sprintf("upsample/%dx%d", size[0], size[1]), func(b *program.Builder, _ int, x program.ID) program.ID {
			return b.Upsample(x, size[0], size[1])
		})
	}
	return append(cases, entries()...)
}

// entries are operations along the batch or from tables.
func entries() []Case {
	ids := map[string]number{"ids": below(31), "rows": below(9)}
	embed := func(name string, positions bool) Case {
		return Case{Name: "embed/" + name, Bound: 1e-7, fill: ids, build: func(b *program.Builder, n int) {
			table, at := b.Weight("table", 31, 13), program.None
			if positions {
				at = b.Weight("positions", 12, 13)
			}
			b.Output("y", b.Embed(b.Input("ids", program.Int32, n, 9), table, at))
		}}
	}
	sinusoid := func(name string, op program.Sinusoid) Case {
		// One last bit of a frequency is 6e-8 of an angle of up to 1000.
		return Case{Name: "sinusoid/" + name, Bound: 1e-6, fill: map[string]number{"x": below(1000)}, build: func(b *program.Builder, n int) {
			b.Output("y", b.Sinusoid(input(b, "x", n, 3), op))
		}}
	}
	return []Case{
		embed("tokens", false), embed("positions", true),
		{Name: "row", fill: ids, build: func(b *program.Builder, n int) {
			b.Output("y", b.Row(input(b, "x", n, 9, 14), b.Input("rows", program.Int32, n)))
		}},
		{Name: "repeat", build: func(b *program.Builder, _ int) { b.Output("y", b.Repeat(input(b, "x", 1, 3, 5), 4)) }},
		{Name: "concat/axis 0", build: func(b *program.Builder, _ int) {
			b.Output("y", b.Concat(0, input(b, "x", 2, 5), input(b, "y", 1, 5)))
		}},
		{Name: "slice/axis 0", build: func(b *program.Builder, _ int) { b.Output("y", b.Slice(input(b, "x", 5, 3, 2), 0, 2, 4)) }},
		{Name: "reshape/weights", build: func(b *program.Builder, n int) { // such as a class token before an image's patches, and positions
			row := func(w program.ID, rows int) program.ID { return b.Repeat(b.Reshape(w, 1, rows, 13), n) }
			b.Output("y", b.Add(b.Concat(1, row(b.Weight("class", 13), 1), input(b, "x", n, 4, 13)), row(b.Weight("positions", 5, 13), 5)))
		}},
		sinusoid("sines first", program.Sinusoid{Dim: 32, MaxPeriod: 10000, Shift: 1}),
		sinusoid("cosines first", program.Sinusoid{Dim: 320, MaxPeriod: 10000, CosFirst: true}),
		sinusoid("two", program.Sinusoid{Dim: 2, MaxPeriod: 500}),
	}
}
