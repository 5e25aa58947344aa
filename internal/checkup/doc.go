// Package checkup looks at a CUDA device in some minutes: what it and its driver say of themselves, whether every case of the executors'
// suite gives the processor's bits on it, and how long the main kernels take. [Write] makes the text that someone with a GPU
// sends back, so that evidence comes from devices that nobody here has.
package checkup
