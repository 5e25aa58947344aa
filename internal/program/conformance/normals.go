package conformance

import "github.com/seed-8af8f8e1/flow/internal/program"

// drawn is a case of numbers that are drawn on a device of so many threads. The sine unit is off by 2^-22, radii are below 6.7.
func drawn(name string, threads, h, w, c int) Case {
	seeds := choose(0, 42, 1<<31-128, -1, -1<<31)
	return Case{Name: "normals/" + name, Bound: 1e-6, fill: map[string]number{"seeds": seeds}, build: func(b *program.Builder, n int) {
		b.Output("y", b.Normals(b.Input("seeds", program.Int32, n, 2), threads, h, w, c))
	}}
}

func normals() []Case {
	return []Case{
		drawn("one", 0, 1, 1, 1),
		drawn("a number a thread", 0, 9, 31, 4),
		drawn("more than a small device has threads", 256, 20, 18, 4), // six a thread: two counters
		drawn("threads that are no whole blocks", 1000, 33, 17, 3),
	}
}
