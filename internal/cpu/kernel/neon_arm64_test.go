//go:build !purego

package kernel

import "testing"

// TestNEONIsThere: the other tests compare tiers that are there, and this one must be.
func TestNEONIsThere(t *testing.T) {
	tiers := Tiers()
	if last := tiers[len(tiers)-1]; last.Name != NEON.Name {
		t.Errorf("the best tier is %s", last.Name)
	}
}
