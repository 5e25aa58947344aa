package kernel

func machineTiers() []Products { return nil }
