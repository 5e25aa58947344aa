package kernel

import (
	"os"
	"strings"
)

// Switch is the environment variable that switches tiers off, such as
// FLOW_CPU=off:avx2 or FLOW_CPU=off:all. It never changes a result.
const Switch = "FLOW_CPU"

func switchedOff(name string) bool {
	list, ok := strings.CutPrefix(os.Getenv(Switch), "off:")
	if !ok {
		return false
	}
	for off := range strings.SplitSeq(list, ",") {
		if off == name || off == "all" {
			return true
		}
	}
	return false
}
