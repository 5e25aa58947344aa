package weights

import "github.com/seed-8af8f8e1/flow/internal/mapping"

// Guard calls f on this goroutine so that a fault in this file's mapping comes
// back as an error that names the file. Other panics go on. Goroutines that f
// starts need a Guard of their own.
func (f *File) Guard(fn func() error) error { return guard([]*File{f}, fn) }

// guard is Guard over several files.
func guard(files []*File, fn func() error) error {
	return mapping.Guard(fn, func(addr uintptr) error {
		for _, f := range files {
			if mapping.Holds(f.mapping, addr) {
				return f.faultError()
			}
		}
		return nil
	})
}

// faultError says why a page of the file could not be read.
func (f *File) faultError() error {
	if err := f.Verify(); err != nil {
		return err
	}
	return &Error{File: f.path, Problem: "a part of the mapped file could not be read: it was cut during the run, or its disk failed",
		Hint: "run again when nothing writes the file"}
}
