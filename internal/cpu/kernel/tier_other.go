//go:build !amd64 || purego

package kernel

func machineTiers() []Tier { return nil }
