// Package cudacost predicts what a job costs on GPUs that nobody here has: operations, bytes, launches and time, from the launches that the
// executor in package cuda would make, from the simulator's counters of what their blocks do, and from what NVIDIA publishes about the devices. Nothing runs on
// a device, no weight is read, and no result is computed but for a few blocks of each sort of launch.
//
// docs/cuda-model.md says what is counted, what is assumed, and what came out.
package cudacost
