//go:build unix

package sim

import (
	"runtime/debug"
	"testing"
	"unsafe"
)

// TestHostMemory: pinned memory is not Go's, holds a pattern, and ends at a page that cannot be touched.
func TestHostMemory(t *testing.T) {
	d := Open(Options{})
	b := ok[[]byte](t)(d.AllocHost(4096))
	if b[0] != hostPattern || b[4095] != hostPattern {
		t.Errorf("new memory holds %x and %x", b[0], b[4095])
	}
	if !faults(func() { sink = unsafe.Slice(&b[0], 4097)[4096] }) {
		t.Error("the byte behind pinned memory can be read")
	}
	if err := d.FreeHost(b); err != nil {
		t.Fatal(err)
	}
	if !faults(func() { sink = b[0] }) {
		t.Error("freed pinned memory can be read")
	}
	ok[[]byte](t)(d.AllocHost(1))
	if err := d.Close(); err == nil {
		t.Error("pinned memory that was left is no leak")
	}
}

// sink keeps the compiler from leaving out a read.
var sink byte

// faults says whether f touches memory that is not there.
func faults(f func()) (faulted bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { faulted = recover() != nil }()
	f()
	return false
}
