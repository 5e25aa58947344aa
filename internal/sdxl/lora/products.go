package lora

import (
	"fmt"
	"slices"
	"strings"
)

// flatWeight is a weight as a matrix: outputs, and inputs times the kernel.
func (t *Target) flatWeight() (out, in int) { return t.weight[0], size(t.weight[1:]) }

// fitHadamard checks (A1 B1) * (A2 B2), element by element: A [out,r], B [r,in]; or with a core T [r,r,k,k],
// A [r,out], B [r,in].
func (t *Target) fitHadamard(shape func(role) []int) (problems []string) {
	out, in := t.flatWeight()
	for _, half := range [][3]role{{hadaW1A, hadaW1B, hadaT1}, {hadaW2A, hadaW2B, hadaT2}} {
		a, b, c := shape(half[0]), shape(half[1]), shape(half[2])
		rank := 0
		switch {
		case len(a) != 2 || len(b) != 2 || c != nil && len(c) != 4:
		case c == nil && a[1] == b[0] && a[0] == out && b[1] == in:
			rank = b[0]
		case c != nil && c[0] == a[0] && c[1] == b[0] && a[1] == out && b[1] == t.weight[1] && slices.Equal(c[2:], t.weight[2:]):
			rank = b[0]
		}
		if rank == 0 {
			problems = append(problems, fmt.Sprintf("%s has LoHa matrices of %v, %v and %v, which do not make a weight of %v", t.name, a, b, c, t.weight))
		}
		t.Rank = rank
	}
	return problems
}

// fitKronecker checks kron(W1, W2), each whole or a product; W2 may have a core T [r,r,k,k] with A [r,out2], B [r,in2].
func (t *Target) fitKronecker(shape func(role) []int) (problems []string) {
	fail := func() []string {
		return []string{fmt.Sprintf("%s has LoKr factors of %v, %v x %v and %v, %v x %v, core %v, which do not make a weight of %v", t.name,
			shape(lokrW1), shape(lokrW1A), shape(lokrW1B), shape(lokrW2), shape(lokrW2A), shape(lokrW2B), shape(lokrT2), t.weight)}
	}
	w1, r1 := shape(lokrW1), 0
	if w1 == nil {
		a, b := shape(lokrW1A), shape(lokrW1B)
		if len(a) != 2 || len(b) != 2 || a[1] != b[0] {
			return fail()
		}
		w1, r1 = []int{a[0], b[1]}, b[0]
	}
	w2, r2 := shape(lokrW2), 0
	if w2 == nil {
		a, b, c := shape(lokrW2A), shape(lokrW2B), shape(lokrT2)
		switch {
		case len(a) != 2 || len(b) < 2:
			return fail()
		case c == nil && a[1] == b[0]:
			w2, r2 = append([]int{a[0]}, b[1:]...), b[0]
		case len(c) == 4 && len(b) == 2 && c[0] == a[0] && c[1] == b[0]:
			w2, r2 = []int{a[1], b[1], c[2], c[3]}, b[0]
		default:
			return fail()
		}
	}
	out, in := t.flatWeight()
	if len(w1) != 2 || len(w2) < 2 || !times(w1[0], w2[0], out) || !times(w1[1], size(w2[1:]), in) {
		return fail()
	}
	t.Rank = max(r1, r2)
	return nil
}

// times says whether a * b is n, without a product that may overflow.
func times(a, b, n int) bool { return n%a == 0 && n/a == b }

// settle finds the layer's alpha and what it is divided by.
func (t *Target) settle(f *File) (problems []string) {
	t.alpha, t.divide = 1, 1
	if t.Rank == 0 { // a whole difference, or whole Kronecker factors: alpha means nothing
		return nil
	}
	rank := float64(t.Rank)
	t.alpha, t.divide = rank, rank
	if t.layer.alpha != nil {
		t.alpha = *t.layer.alpha
		return nil
	}
	r, a, root, ok := f.settings.of(t.component, t.path)
	switch {
	case !ok:
	case r != rank:
		return []string{fmt.Sprintf("%s has rank %d, and the header's %s says %v", t.name, t.Rank, settingsKey, r)}
	case a == 0:
		return []string{fmt.Sprintf("%s has an alpha of 0 by the header's %s", t.name, settingsKey)}
	default:
		t.alpha, t.root = a, root
	}
	return nil
}

// axis says along which dimension of the weight magnitudes of a shape lie: 0 for one an output, 1 for one an input, -1 for neither.
func (t *Target) axis(s []int) int {
	n := size(s)
	switch {
	case n == t.weight[0] && len(s) > 0 && s[0] == n:
		return 0
	case len(s) > 1 && n == t.weight[1] && s[1] == n:
		return 1
	}
	return -1
}

// embedding says whether a layer is a table of tokens or positions.
func embedding(path string) bool {
	return strings.HasSuffix(path, "token_embedding") || strings.HasSuffix(path, "position_embedding")
}

func quoted(list []string) string { return `"` + strings.Join(list, `", "`) + `"` }
