package parity

import (
	"context"
	"testing"
)

func TestImageRefiners(t *testing.T) {
	s := imageSuite(t)
	rows, err := s.RefinersTokens(context.Background(), nil)
	check(t, rows, err)
	rows, err = s.RefinersTokens(context.Background(), []float32{1.3, 0.7})
	control(t, "the weights exchanged", rows, err)
}
