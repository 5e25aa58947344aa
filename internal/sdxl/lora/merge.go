package lora

import "math"

// dense is a matrix in float64.
type dense struct {
	rows, cols int
	data       []float64
}

// times multiplies two matrices: sums ascend, each product and sum rounded.
func (a dense) times(b dense) dense {
	out := dense{a.rows, b.cols, make([]float64, a.rows*b.cols)}
	each(a.rows, func(i int) {
		row := out.data[i*b.cols : (i+1)*b.cols]
		for k := range a.cols {
			x := a.data[i*a.cols+k]
			for j, y := range b.data[k*b.cols : (k+1)*b.cols] {
				row[j] += float64(x * y)
			}
		}
	})
	return out
}

// transposed swaps rows and columns.
func (a dense) transposed() dense {
	out := dense{a.cols, a.rows, make([]float64, len(a.data))}
	for i := range a.rows {
		for j := range a.cols {
			out.data[j*a.rows+i] = a.data[i*a.cols+j]
		}
	}
	return out
}

// matrix reads a tensor of the layer as a matrix of its first dimension and the rest.
func (c change) matrix(r role) (dense, error) {
	shape := c.file.shape(c.layer, r)
	data, err := c.file.values(c.keys[r])
	return dense{shape[0], size(shape[1:]), data}, err
}

// matrices reads several.
func (c change) matrices(roles ...role) ([]dense, error) {
	var out []dense
	for _, r := range roles {
		m, err := c.matrix(r)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// core makes a convolution [P,R,k,k] of a core [I,J,k,k], a [I,P] and b [J,R]: sum over i, j of core * a * b.
func core(t dense, i, j int, a, b dense) dense {
	k := len(t.data) / (i * j)
	left := a.transposed().times(dense{i, j * k, t.data}) // [P, J k]
	out := dense{a.cols, b.cols * k, make([]float64, a.cols*b.cols*k)}
	bt := b.transposed() // [R, J]
	each(a.cols, func(p int) {
		m := bt.times(dense{j, k, left.data[p*j*k : (p+1)*j*k]}) // [R, k]
		copy(out.data[p*out.cols:], m.data)
	})
	return out
}

// delta is what a change adds to a weight or bias whose value is base.
func (c change) delta(base []float64, shape []int) ([]float64, error) {
	if c.bias {
		return c.biasDelta(len(base))
	}
	var out dense
	var err error
	switch c.Method {
	case LoRA, LoCon, DoRA:
		out, err = c.lowRank()
	case LoHa:
		out, err = c.hadamard()
	case LoKr:
		out, err = c.kronecker()
	case Difference:
		out, err = c.matrix(diff)
	}
	if err != nil {
		return nil, err
	}
	s := c.strength
	switch {
	case c.keys[doraScale] != "":
		s = strength(1, c.alpha, c.divide, c.root)
	case c.Method == Difference:
		s = c.scale
	}
	for i := range out.data {
		out.data[i] *= s
	}
	if c.keys[magnitude] == "" && c.keys[doraScale] == "" {
		return out.data, nil
	}
	return c.decompose(base, out.data, shape)
}

// biasDelta is a bias's.
func (c change) biasDelta(n int) ([]float64, error) {
	out := make([]float64, n)
	for i, r := range []role{diffBias, biasUp} {
		if c.keys[r] == "" {
			continue
		}
		values, err := c.file.values(c.keys[r])
		if err != nil {
			return nil, err
		}
		s := [2]float64{c.scale, c.strength}[i]
		for i, v := range values {
			out[i] += float64(s * v)
		}
	}
	return out, nil
}

// lowRank is B A, with a core between them where there is one.
func (c change) lowRank() (dense, error) {
	m, err := c.matrices(down, up)
	if err != nil || c.keys[mid] == "" {
		if err != nil {
			return dense{}, err
		}
		return m[1].times(m[0]), nil
	}
	t, err := c.matrix(mid)
	if err != nil {
		return dense{}, err
	}
	return core(t, t.rows, t.rows, m[1].transposed(), m[0]), nil
}

// hadamard is (A1 B1) * (A2 B2).
func (c change) hadamard() (dense, error) {
	m, err := c.matrices(hadaW1A, hadaW1B, hadaW2A, hadaW2B)
	if err != nil {
		return dense{}, err
	}
	var halves [2]dense
	for i, r := range []role{hadaT1, hadaT2} {
		a, b := m[2*i], m[2*i+1]
		if c.keys[r] == "" {
			halves[i] = a.times(b)
			continue
		}
		t, err := c.matrix(r)
		if err != nil {
			return dense{}, err
		}
		halves[i] = core(t, a.rows, b.rows, a, b)
	}
	for i, v := range halves[1].data {
		halves[0].data[i] *= v
	}
	return halves[0], nil
}

// kronecker is kron(W1, W2): output a*c2+c of a weight of a x c2 outputs, likewise inputs.
func (c change) kronecker() (dense, error) {
	w1, err := c.factor(lokrW1, lokrW1A, lokrW1B, "")
	if err != nil {
		return dense{}, err
	}
	w2, err := c.factor(lokrW2, lokrW2A, lokrW2B, lokrT2)
	if err != nil {
		return dense{}, err
	}
	out := dense{w1.rows * w2.rows, w1.cols * w2.cols, make([]float64, len(w1.data)*len(w2.data))}
	each(w1.rows, func(i int) {
		for j := range w1.cols {
			x := w1.data[i*w1.cols+j]
			for k := range w2.rows {
				row := out.data[(i*w2.rows+k)*out.cols+j*w2.cols:]
				for l, y := range w2.data[k*w2.cols : (k+1)*w2.cols] {
					row[l] = x * y
				}
			}
		}
	})
	return out, nil
}

// factor reads a Kronecker factor that is whole, a product, or a product with a core.
func (c change) factor(whole, a, b, t role) (dense, error) {
	if c.keys[whole] != "" {
		return c.matrix(whole)
	}
	m, err := c.matrices(a, b)
	if err != nil {
		return dense{}, err
	}
	if c.keys[t] == "" {
		return m[0].times(m[1]), nil
	}
	k, err := c.matrix(t)
	if err != nil {
		return dense{}, err
	}
	return core(k, m[0].rows, m[1].rows, m[0], m[1]), nil
}

// decompose is DoRA: V = base + delta, each output (or input) of which gets the length that the file says. peft scales delta before
// that; with LyCORIS' lengths the scale is that of the whole change, as programs that apply them have it.
func (c change) decompose(base, delta []float64, shape []int) ([]float64, error) {
	r, axis, scale := magnitude, 0, 1.0
	if c.keys[doraScale] != "" {
		r, axis, scale = doraScale, c.axis(c.file.shape(c.layer, doraScale)), c.scale
	}
	lengths, err := c.file.values(c.keys[r])
	if err != nil {
		return nil, err
	}
	in, kernel := size(shape[1:]), size(shape[2:])
	index := func(i int) int {
		if axis == 0 {
			return i / in
		}
		return i % in / kernel
	}
	squares := make([]float64, len(lengths))
	for i := range delta {
		v := base[i] + delta[i]
		squares[index(i)] += float64(v * v)
	}
	for i := range delta {
		k := index(i)
		if squares[k] == 0 {
			continue
		}
		v := float64((base[i] + delta[i]) * (lengths[k] / math.Sqrt(squares[k])))
		delta[i] = float64(scale * (v - base[i]))
	}
	return delta, nil
}
