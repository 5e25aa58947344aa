package kernel

import "testing"

// TestEveryTierHasAPeak: a tier in assembly is judged by loops of its own instructions, not by those of compiled Go.
func TestEveryTierHasAPeak(t *testing.T) {
	for _, tier := range Tiers() {
		if _, ok := machinePeak(tier.Name); ok == (tier.Name == Plain.Name) {
			t.Errorf("tier %s: a peak in assembly is there: %v", tier.Name, ok)
		}
		if p := tier.Peak(); p.F32 == nil || p.F32Ops == 0 || p.Read == nil || (p.BF16 == nil) != (p.BF16Ops == 0) {
			t.Errorf("tier %s: %+v", tier.Name, p)
		}
	}
}
