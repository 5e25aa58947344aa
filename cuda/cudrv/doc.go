// Package cudrv drives a real CUDA device: driver.Driver on libcuda, by gorgonia.org/cu. It is empty but for this comment
// without the build tag cuda and cgo; `go run ./internal/tools/cudabuild` builds flow with it.
//
// It is the only package that calls C. What gorgonia.org/cu lacks is in calls.go: pinned memory, an attribute of
// functions, and the opening of libcuda, which belongs to the trampoline (internal/tools/cudabuild/trampoline): a program that
// holds this package starts without libcuda.so.1 and without a device, and [Open] says which is missing.
//
// # Threads
//
// A context of libcuda belongs to a thread, a goroutine to none. So each call holds its thread and makes the context
// current there: calls may come from any goroutine, and one that waits for the device keeps no other waiting.
package cudrv
