//go:build unix

package mapping

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Map maps size bytes of f read-only; the page cache is shared with other processes. The file may be closed.
func Map(f *os.File, size int64) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
}

// Unmap gives back what Map gave.
func Unmap(data []byte) error { return unix.Munmap(data) }

// Drop takes a part of a mapping out of this process's memory. Its pages stay in the system's cache while there is room, and
// come back when they are read.
func Drop(part []byte) {
	if len(part) == 0 {
		return
	}
	page := uintptr(os.Getpagesize())
	before := uintptr(unsafe.Pointer(unsafe.SliceData(part))) % page
	start := unsafe.Add(unsafe.Pointer(unsafe.SliceData(part)), -int(before))
	_ = unix.Madvise(unsafe.Slice((*byte)(start), len(part)+int(before)), unix.MADV_DONTNEED) // advice
}
