package machine

import (
	"runtime"
	"testing"
)

// Memory that is used is in the peak, and no longer after it is given back and the peak is reset.
func TestPeakResident(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the peak is known on linux alone")
	}
	before := PeakResident()
	if before <= 0 {
		t.Fatalf("peak %d", before)
	}
	big := make([]byte, 64<<20)
	for i := 0; i < len(big); i += 1024 {
		big[i] = 1
	}
	if after := PeakResident(); after < before+32<<20 {
		t.Errorf("64 MiB in use raise the peak from %d to %d", before, after)
	}
	runtime.KeepAlive(big)
	if ResetPeak() && PeakResident() <= 0 {
		t.Error("no peak after a reset")
	}
}
