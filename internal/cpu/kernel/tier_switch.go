package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Switch is the environment variable that switches tiers off, such as
// FLOW_CPU=off:avx2 or FLOW_CPU=off:all. It never changes a result.
const Switch = "FLOW_CPU"

// switches are the names that the variable takes, on any machine.
var switches = []string{"avx2", "avx512", "avx512bf16", "neon", "all"}

// CheckSwitch says what is wrong with the variable's value; a wrong one switches nothing off.
func CheckSwitch() error {
	value := os.Getenv(Switch)
	if value == "" {
		return nil
	}
	list, ok := strings.CutPrefix(value, "off:")
	for name := range strings.SplitSeq(list, ",") {
		ok = ok && slices.Contains(switches, name)
	}
	if ok {
		return nil
	}
	return fmt.Errorf("%s=%q is not understood and switches nothing off; write off: and names of %s, with commas", Switch, value, strings.Join(switches, ", "))
}

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
