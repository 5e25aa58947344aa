//go:build (!amd64 && !arm64) || purego

package kernel

func machinePeak(string) (Peak, bool) { return Peak{}, false }
