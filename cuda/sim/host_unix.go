//go:build unix

package sim

import (
	"os"

	"golang.org/x/sys/unix"
)

// hostMemory gives memory outside Go's heap whose end lies at a page that cannot be touched, and what gives it back. Its
// beginning is a multiple of 64.
func hostMemory(bytes int) (b []byte, give func() error, err error) {
	page := os.Getpagesize()
	size := (bytes + page - 1) / page * page
	all, err := unix.Mmap(-1, 0, size+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.Mprotect(all[size:], unix.PROT_NONE); err != nil {
		_ = unix.Munmap(all)
		return nil, nil, err
	}
	at := (size - bytes) / 64 * 64
	return all[at : at+bytes : at+bytes], func() error { return unix.Munmap(all) }, nil
}
