package lora

import (
	"fmt"
	"slices"
)

// Method is the form of a layer's change.
type Method string

// Forms.
const (
	LoRA       Method = "LoRA"  // a linear layer or 1x1 convolution
	LoCon      Method = "LoCon" // a convolution
	DoRA       Method = "DoRA"  // a low-rank change, then rows or columns of given lengths (Liu et al., 2024)
	LoHa       Method = "LoHa"  // a Hadamard product of two low-rank matrices (Hyeon-Woo et al., 2022)
	LoKr       Method = "LoKr"  // a Kronecker product
	Difference Method = "difference"
)

// LowRank says that the form is applied beside the weight.
func (m Method) LowRank() bool { return m == LoRA || m == LoCon }

// methods has, for each form, the roles that it must have and those it may have.
var methods = []struct {
	method    Method
	must, may []role
}{
	{LoRA, []role{down, up}, []role{mid, alpha, biasUp}},
	{DoRA, []role{down, up, magnitude}, []role{mid, alpha, biasUp}},
	{DoRA, []role{down, up, doraScale}, []role{mid, alpha}},
	{LoHa, []role{hadaW1A, hadaW1B, hadaW2A, hadaW2B}, []role{alpha, doraScale}},
	{LoHa, []role{hadaW1A, hadaW1B, hadaW2A, hadaW2B, hadaT1, hadaT2}, []role{alpha, doraScale}},
	{LoKr, []role{lokrW1, lokrW2}, []role{alpha, doraScale}},
	{LoKr, []role{lokrW1A, lokrW1B, lokrW2}, []role{alpha, doraScale}},
	{LoKr, []role{lokrW1, lokrW2A, lokrW2B}, []role{lokrT2, alpha, doraScale}},
	{LoKr, []role{lokrW1A, lokrW1B, lokrW2A, lokrW2B}, []role{lokrT2, alpha, doraScale}},
	{Difference, []role{diff}, []role{diffBias, alpha}},
	{Difference, []role{diffBias}, []role{alpha}},
}

// form tells the form of a layer by its keys; a bias's difference may stand beside any other.
func (l *layer) form() (Method, bool) {
	for _, m := range methods {
		ok := true
		for _, r := range m.must {
			ok = ok && l.keys[r] != ""
		}
		for r := range l.keys {
			ok = ok && (slices.Contains(m.must, r) || slices.Contains(m.may, r) || r == diffBias)
		}
		if ok {
			return m.method, true
		}
	}
	return "", false
}

// fit checks the layer's shapes against each other and the model's, and settles form, rank and strength. It lists what is wrong.
func (t *Target) fit(f *File, m Model) (problems []string) {
	fail := func(format string, args ...any) {
		problems = append(problems, t.name+" "+fmt.Sprintf(format, args...))
	}
	method, ok := t.form()
	if !ok {
		fail("has the keys %s, which no form of LoRA has together", quoted(t.list()))
		return problems
	}
	t.Method = method
	for _, key := range t.list() {
		if s, _ := f.file.Tensor(key); slices.Contains(s.Shape, 0) {
			fail("has an empty matrix: %v", s.Shape)
			return problems
		}
	}
	if w := t.weight; method != Difference && len(w) != 2 && len(w) != 4 {
		fail("is a %s; %s, a weight of %v, is neither a linear layer nor a convolution", method, t.path, w)
		return problems
	}
	shape := func(r role) []int { return f.shape(t.layer, r) }
	if bias := m[t.component][t.path+".bias"]; shape(diffBias) != nil || shape(biasUp) != nil {
		for _, r := range []role{diffBias, biasUp} {
			if s := shape(r); s != nil && !slices.Equal(s, bias) {
				fail("changes a bias of %v; that of %s is %v", s, t.path, bias)
			}
		}
	}
	switch method {
	case LoRA, DoRA:
		problems = append(problems, t.fitLowRank(shape)...)
	case LoHa:
		problems = append(problems, t.fitHadamard(shape)...)
	case LoKr:
		problems = append(problems, t.fitKronecker(shape)...)
	case Difference:
		if s := shape(diff); s != nil && !slices.Equal(trim(s), trim(t.weight)) {
			fail("changes a weight of %v; %s is %v", s, t.path, t.weight)
		}
	}
	if s := shape(doraScale); s != nil && t.axis(s) < 0 || shape(magnitude) != nil && size(shape(magnitude)) != t.weight[0] {
		fail("has magnitudes of %v for a weight of %v", append(s, shape(magnitude)...), t.weight)
	}
	if len(problems) == 0 {
		problems = t.settle(f)
	}
	return problems
}

// size is the number of elements of a shape.
func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// fitLowRank checks A [r,in,k,k] and B [out,r], or A, M [r,r,k,k] and B.
func (t *Target) fitLowRank(shape func(role) []int) (problems []string) {
	fail := func(format string, args ...any) {
		problems = append(problems, t.name+" "+fmt.Sprintf(format, args...))
	}
	a, b, c, w := shape(down), shape(up), shape(mid), t.weight
	if !matrix(a) || !matrix(b) || c != nil && len(c) != 4 {
		fail("has matrices of %v, %v and %v", a, c, b)
		return problems
	}
	if embedding(t.path) {
		fail("is low-rank; %s is neither a linear layer nor a convolution", t.path)
		return problems
	}
	kernel := a[2:]
	if c != nil {
		kernel = c[2:]
		if len(trim(a)) != 2 || c[0] != c[1] || c[0] != a[0] {
			fail("has a down of %v and a mid of %v", a, c)
		}
	}
	if a[0] != b[1] {
		fail("has rank %d in its down matrix %v and %d in its up matrix %v", a[0], a, b[1], b)
	}
	if len(trim(b)) != 2 || b[0] != w[0] || a[1] != w[1] || !slices.Equal(ones(kernel), ones(w[2:])) {
		fail("goes from %v to %v; the weight of %s is %v", a[1:], b[0], t.path, w)
	}
	t.Rank = a[0]
	if t.Method == LoRA && len(ones(w[2:])) > 0 {
		t.Method = LoCon
	}
	return problems
}

// matrix says that a shape is a matrix, or a square convolution.
func matrix(s []int) bool {
	return len(s) == 2 || len(s) == 4 && s[2] == s[3] && s[2]%2 == 1
}

// trim drops trailing ones beyond two dimensions.
func trim(s []int) []int {
	for len(s) > 2 && s[len(s)-1] == 1 {
		s = s[:len(s)-1]
	}
	return s
}

// ones drops a kernel of 1x1.
func ones(kernel []int) []int {
	if slices.Equal(kernel, []int{1, 1}) {
		return nil
	}
	return kernel
}
