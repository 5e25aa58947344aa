//go:build !linux

package main

// peaks are the greatest sizes of a process in bytes; they are known on Linux only.
type peaks struct {
	Resident int64 // with pages of mapped files
	Private  int64 // without them
}

func processorSeconds() float64 { return 0 }

func watchMemory() (stop func() peaks) { return func() peaks { return peaks{} } }
