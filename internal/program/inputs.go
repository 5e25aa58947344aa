package program

import (
	"fmt"
	"slices"
)

// CheckInputs says which input of a program is missing or does not fit its declaration; nil for none.
func CheckInputs(p *Program, in map[string]Tensor) error {
	for _, port := range p.Inputs {
		v := p.Value(port.Value)
		t, ok := in[port.Name]
		if !ok {
			return inputError(port.Name, "missing")
		}
		if !slices.Equal(t.Shape, v.Shape) {
			return inputError(port.Name, "shape %v where %v is declared", t.Shape, v.Shape)
		}
		got := len(t.F)
		if v.DType == Int32 {
			got = len(t.I)
		}
		if got != v.Elems() {
			return inputError(port.Name, "%d elements of %s where %d are declared", got, v.DType, v.Elems())
		}
	}
	return nil
}

func inputError(name, format string, args ...any) error {
	return fmt.Errorf("input %q of the program: %s", name, fmt.Sprintf(format, args...))
}
