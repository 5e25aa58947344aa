// Package curand draws standard normal numbers as torch.randn does on a CUDA device: Philox4x32-10 by the threads that torch launches, and
// cuRAND's curand_normal4 with the logarithm of CUDA's library and the sine of the GPU's special function unit, in integers, so that the bits
// are the same everywhere. Their order of operations is the definition (docs/numerics.md, Noise); cuda/kernels/random.cu follows it.
package curand
