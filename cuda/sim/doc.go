// Package sim is a CUDA driver without a device: [Open] gives a driver.Driver in plain Go that runs the PTX itself
// (cuda/sim/vm) and looks for what a GPU would hide.
//
// # Order
//
// Nothing runs when it is given to a stream. Work runs when something waits for it, and then in any order that streams
// and events allow: the order is drawn by [Options].Seed. Copies to the host fill their target with a pattern until
// they run; copies from the host read it as late as that, and a host that changed it meanwhile is a fault. Beside the
// order of the run at hand, kernels and copies of two streams that use the same 256 bytes, one of them writing, with no
// event or synchronisation between, are a fault in every order.
//
// # Faults
//
// A failed kernel loses the context, as on a device. Its error holds a *vm.Fault. [Options].Inject makes calls fail, so
// that callers' handling of failures can be tested. Close reports what was not given back, with the line that made it.
package sim
