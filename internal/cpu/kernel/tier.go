package kernel

// Tiers lists the tiers that this machine can run, the plain one first, the best last.
func Tiers() []Products { return append([]Products{Plain}, machineTiers()...) }

// Best is the best tier that FLOW_CPU does not switch off.
func Best() Products {
	best := Plain
	for _, t := range machineTiers() {
		if !switchedOff(t.Name) {
			best = t
		}
	}
	return best
}
