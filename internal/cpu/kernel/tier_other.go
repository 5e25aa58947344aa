//go:build !amd64 || purego

package kernel

func machineTiers() []Products { return nil }
