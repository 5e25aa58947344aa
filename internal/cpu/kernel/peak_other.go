//go:build !amd64 || purego

package kernel

func machinePeak(string) (Peak, bool) { return Peak{}, false }
