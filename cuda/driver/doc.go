// Package driver is what this project asks of a CUDA driver: one open device, a few handles, and the calls of cuda.h
// that the executor needs, one method a call. It holds no code for a device. cuda/sim implements it in plain Go and
// checks every access; cuda/cudrv, behind the build tag cuda, implements it on libcuda.
//
// # Order
//
// Work given to one stream runs in the order given. Streams are made as CU_STREAM_NON_BLOCKING: nothing orders the
// work of two streams but an event that one records and the other waits for; the default stream, which is the nil
// [Stream], is one stream among the others. Launches, fills and copies on a stream return before the work is done,
// and its failure comes back from a later call: usually from the Synchronize that waits for it.
//
// # Host memory
//
// A copy on a stream reads or writes host memory after the call has returned: that memory has to come from
// AllocHost, and stays untouched until the stream or an event behind the copy has been synchronised. The copy on the
// nil stream takes any slice and returns when it is done; it waits for earlier work of the default stream alone.
//
// # Errors
//
// Every failing call gives an [*Error] with the driver's result code, so that errors.Is(err, driver.OutOfMemory)
// holds. A failed kernel (illegal address, misaligned address, launch failed) loses the context: every later call but
// Close fails with the same code.
//
// A Driver and its handles may be used from many goroutines; calls are serialised where libcuda wants one thread.
package driver
