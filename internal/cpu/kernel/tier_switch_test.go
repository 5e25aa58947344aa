package kernel

import "testing"

func TestCheckSwitch(t *testing.T) {
	for value, right := range map[string]bool{"": true, "off:avx2": true, "off:avx512bf16,avx512": true, "off:all": true, "off:neon": true, "off:": false, "off:avx": false, "avx2": false, "off:avx2,": false, "none": false} {
		t.Setenv(Switch, value)
		if err := CheckSwitch(); (err == nil) != right {
			t.Errorf("%q: %v", value, err)
		}
	}
	for _, tier := range Tiers()[1:] {
		t.Setenv(Switch, "off:"+tier.Name)
		if err := CheckSwitch(); err != nil {
			t.Errorf("%s: %v", tier.Name, err)
		}
		if Best().Name == tier.Name {
			t.Errorf("%s is still the best", tier.Name)
		}
	}
}
