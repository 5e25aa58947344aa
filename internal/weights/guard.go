package weights

import (
	"runtime"
	"runtime/debug"
	"unsafe"
)

// Guard calls f on this goroutine so that a fault in this file's mapping comes
// back as an error that names the file. Other panics go on. Goroutines that f
// starts need a Guard of their own.
func (f *File) Guard(fn func() error) error { return guard([]*File{f}, fn) }

// guard is Guard over several files.
func guard(files []*File, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		f := faulted(files, r)
		if f == nil {
			panic(r)
		}
		err = f.faultError()
	}()
	return fn()
}

// faulted gives the file in whose mapping the panic value r faulted, or nil.
func faulted(files []*File, r any) *File {
	fault, ok := r.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok {
		return nil
	}
	for _, f := range files {
		start := uintptr(unsafe.Pointer(unsafe.SliceData(f.mapping)))
		if a := fault.Addr(); f.mapping != nil && a >= start && a-start < uintptr(len(f.mapping)) {
			return f
		}
	}
	return nil
}

// faultError says why a page of the file could not be read.
func (f *File) faultError() error {
	if err := f.Verify(); err != nil {
		return err
	}
	return &Error{File: f.path, Problem: "a part of the mapped file could not be read: it was cut during the run, or its disk failed",
		Hint: "run again when nothing writes the file"}
}
