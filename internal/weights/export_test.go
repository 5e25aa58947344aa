package weights

import "testing"

// WriteCastleLayouts writes the small model below dir in every layout that has its digests, for tests that render.
func WriteCastleLayouts(t *testing.T, dir string) {
	t.Helper()
	tensors, _ := castleTensors(t)
	writeLayouts(t, dir, tensors)
}
