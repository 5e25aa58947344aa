package kernel

// Ends are where the accumulators of a tile come from and where its sums go.
type Ends struct {
	In     []float32 // row r begins at r*InStep: with 0 all rows begin as one, such as the biases
	InStep int
	Out    []float32 // row r of the sums goes to r*Step
	Add    []float32 // a residual, laid out as Out, that is added to each sum at last; nil for none
	Step   int

	acc Tile
}

// Product adds terms as a [Dot] does, from In to Out of e, of which the first rows rows and cols columns are
// read and written.
type Product = func(e *Ends, x [][MR][]float32, w Panel, n, rows, cols int)

// between makes a Product of a Dot.
func between(dot Dot) Product {
	return func(e *Ends, x [][MR][]float32, w Panel, n, rows, cols int) {
		e.begin(rows, cols)
		dot(&e.acc, x, w, n, rows, cols)
		e.end(rows, cols)
	}
}

// begin fills the accumulators.
func (e *Ends) begin(rows, cols int) {
	for r := range rows {
		copy(e.acc[r*NR:][:cols], e.In[r*e.InStep:])
	}
}

// end stores the sums.
func (e *Ends) end(rows, cols int) {
	for r := range rows {
		sums, out := e.acc[r*NR:][:cols], e.Out[r*e.Step:][:cols]
		if e.Add == nil {
			copy(out, sums)
			continue
		}
		for j, v := range e.Add[r*e.Step:][:cols] {
			out[j] = sums[j] + v
		}
	}
}
