package program

import (
	"fmt"
	"slices"
	"strings"
)

// BindError lists every weight of a program that its source lacks or has in another shape.
type BindError struct{ Problems []string }

// Error implements error.
func (e *BindError) Error() string {
	const most = 20
	shown := e.Problems
	more := ""
	if len(shown) > most {
		more = fmt.Sprintf("; and %d more", len(shown)-most)
		shown = shown[:most]
	}
	return "weights do not fit the architecture: " + strings.Join(shown, "; ") + more
}

// BindWeights asks the source for every weight of p and checks the shapes. The result is
// indexed by ID; a shape may differ by trailing ones ([N,C] for [N,C,1,1]).
// All missing and ill-shaped weights are one [*BindError].
func BindWeights(p *Program, src WeightSource) ([]WeightData, error) {
	return BindWeightsBut(p, src, nil)
}

// BindWeightsBut is [BindWeights] that does not ask for some weights; of these the result has type fp32, shape, and no data.
func BindWeightsBut(p *Program, src WeightSource, but map[ID]bool) ([]WeightData, error) {
	out := make([]WeightData, len(p.Values))
	var problems []string
	for _, ref := range p.Weights() {
		if src == nil {
			problems = append(problems, fmt.Sprintf("%q: there is no source of weights", ref.Name))
			continue
		}
		if but[ref.ID] {
			out[ref.ID] = WeightData{Shape: ref.Shape}
			continue
		}
		w, err := src.Weight(ref.Name)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		if !slices.Equal(trimOnes(w.Shape), trimOnes(ref.Shape)) || len(w.Data) != Elems(ref.Shape)*w.Type.Size() {
			problems = append(problems, fmt.Sprintf("%q has shape %v, want %v", ref.Name, w.Shape, ref.Shape))
			continue
		}
		w.Shape = ref.Shape
		out[ref.ID] = w
	}
	if problems != nil {
		return nil, &BindError{problems}
	}
	return out, nil
}

// trimOnes drops trailing dimensions of one from a shape of more than two.
func trimOnes(shape []int) []int {
	for len(shape) > 2 && shape[len(shape)-1] == 1 {
		shape = shape[:len(shape)-1]
	}
	return shape
}
