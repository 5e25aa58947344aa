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

// Linux maps more of a file than the page that is read, where its cache has it: the stretch of 64 KiB around it (fault_around_bytes), and from
// 6.18 on all of the folio that the page is in, which is 2 MiB at most and lies at a multiple of its size.
const (
	stretch = 64 << 10
	folio   = 2 << 20
)

// Drop takes a part of a mapping out of this process's memory, with what the system has mapped around it. Its pages stay in the system's cache
// while there is room, and come back when they are read.
func Drop(part, whole []byte) {
	if len(part) == 0 {
		return
	}
	at := int(uintptr(unsafe.Pointer(unsafe.SliceData(part))) - uintptr(unsafe.Pointer(unsafe.SliceData(whole))))
	from := max(at/folio*folio-stretch, 0)
	to := min((at+len(part)+folio-1)/folio*folio+stretch, len(whole))
	_ = unix.Madvise(whole[from:to], unix.MADV_DONTNEED) // advice
}
