package mapping

import (
	"runtime"
	"runtime/debug"
	"unsafe"
)

// Guard calls f on this goroutine. A fault at an address for which claim has an error comes back as that error; other panics
// go on. Goroutines that f starts need a Guard of their own.
func Guard(f func() error, claim func(addr uintptr) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		fault, ok := r.(interface {
			runtime.Error
			Addr() uintptr
		})
		if !ok {
			panic(r)
		}
		if err = claim(fault.Addr()); err == nil {
			panic(r)
		}
	}()
	return f()
}

// Holds says whether an address lies in a mapping.
func Holds(data []byte, addr uintptr) bool {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	return len(data) > 0 && addr >= start && addr-start < uintptr(len(data))
}
