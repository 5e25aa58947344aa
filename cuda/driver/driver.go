package driver

import "time"

// Ptr is an address in device memory (CUdeviceptr). Arithmetic inside one allocation is the caller's.
type Ptr uint64

// Dim is the extent of a grid in blocks, or of a block in threads. X varies fastest.
type Dim struct{ X, Y, Z int }

// D1 and D2 are extents with ones above.
func D1(x int) Dim    { return Dim{x, 1, 1} }
func D2(x, y int) Dim { return Dim{x, y, 1} }

// Count is the number of blocks or threads.
func (d Dim) Count() int { return d.X * d.Y * d.Z }

// Driver is a device with its context: what Open of an implementation gives (cuInit, cuDeviceGet,
// cuDevicePrimaryCtxRetain, cuCtxSetCurrent).
type Driver interface {
	// Info says which device this is: cuDeviceGetName, cuDriverGetVersion and the attributes that everyone asks for.
	Info() Info
	// Attribute is cuDeviceGetAttribute.
	Attribute(Attribute) (int, error)
	// MemInfo is cuMemGetInfo: free and total bytes of the device.
	MemInfo() (free, total int64, err error)

	// Load compiles a PTX text for the device: cuModuleLoadDataEx with the error log in [Error.Detail].
	Load(ptx string) (Module, error)

	// Alloc is cuMemAlloc: bytes > 0, aligned to 256, not initialised.
	Alloc(bytes int64) (Ptr, error)
	// Free is cuMemFree of an address that Alloc gave; it waits for the device.
	Free(Ptr) error
	// AllocHost is cuMemHostAlloc: pinned memory, outside Go's heap, not initialised.
	AllocHost(bytes int) ([]byte, error)
	// FreeHost is cuMemFreeHost of a slice that AllocHost gave, whole.
	FreeHost([]byte) error

	// CopyIn copies src to the device: cuMemcpyHtoDAsync, or cuMemcpyHtoD where s is nil.
	CopyIn(dst Ptr, src []byte, s Stream) error
	// CopyOut copies from the device until dst is full: cuMemcpyDtoHAsync, or cuMemcpyDtoH where s is nil.
	CopyOut(dst []byte, src Ptr, s Stream) error
	// Copy copies on the device: cuMemcpyDtoDAsync. The ranges may not overlap.
	Copy(dst, src Ptr, bytes int64, s Stream) error
	// Fill sets words of 32 bits: cuMemsetD32Async. dst is a multiple of 4.
	Fill(dst Ptr, value uint32, words int64, s Stream) error

	// Launch is cuLaunchKernel. Each argument is the value of one parameter in the low bytes of 8: every parameter of
	// a kernel has 8 bytes or fewer. shared is the dynamic shared memory of a block in bytes.
	Launch(f Function, grid, block Dim, shared int, s Stream, args []uint64) error

	// NewStream is cuStreamCreate with CU_STREAM_NON_BLOCKING.
	NewStream() (Stream, error)
	// NewEvent is cuEventCreate.
	NewEvent() (Event, error)
	// Synchronize is cuCtxSynchronize: it waits for all streams and gives the first failure.
	Synchronize() error
	// Close frees what is left and gives the context back (cuDevicePrimaryCtxRelease). The simulator reports memory,
	// streams, events and modules that were not given back; a closed Driver fails with Deinitialized.
	Close() error
}

// Module is a compiled PTX text.
type Module interface {
	// Function is cuModuleGetFunction: a kernel by its name in the PTX text.
	Function(name string) (Function, error)
	// Unload is cuModuleUnload; its functions are dead then.
	Unload() error
}

// Function is one kernel.
type Function interface {
	Name() string
	// Attribute is cuFuncGetAttribute.
	Attribute(FunctionAttribute) (int, error)
	// AllowShared lets launches ask for so many bytes of dynamic shared memory: cuFuncSetAttribute with
	// CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES. Static and dynamic together may have 48 KB without it.
	AllowShared(bytes int) error
}

// Stream is a queue of work.
type Stream interface {
	// Synchronize is cuStreamSynchronize.
	Synchronize() error
	// Wait is cuStreamWaitEvent: what is given to the stream from now on runs after what e has recorded so far.
	Wait(e Event) error
	// Destroy is cuStreamDestroy; its work is still done.
	Destroy() error
}

// Event is a mark in a stream.
type Event interface {
	// Record is cuEventRecord: the mark moves behind all that s, nil for the default stream, was given so far.
	Record(s Stream) error
	// Synchronize is cuEventSynchronize: it waits for what the event recorded; at once where that is nothing.
	Synchronize() error
	// Since is cuEventElapsedTime from an earlier event; both have been recorded and reached.
	Since(start Event) (time.Duration, error)
	// Destroy is cuEventDestroy.
	Destroy() error
}
