// What kernels need of CUDA's headers, so that they compile with clang alone: no toolkit, no C library.
#pragma once
#define __device__ __attribute__((device))
#define __global__ __attribute__((global))
#define __shared__ __attribute__((shared))
#define __launch_bounds__(n) __attribute__((launch_bounds(n)))
#define INLINE __device__ __attribute__((always_inline)) inline
#define KERNEL extern "C" __global__ void

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

typedef float float4 __attribute__((ext_vector_type(4)));
typedef u32 uint4 __attribute__((ext_vector_type(4)));

// GLOBAL marks pointers into device memory, so that a load is ld.global where the compiler cannot see where a pointer comes from.
#define GLOBAL __attribute__((address_space(1)))
template <class T> INLINE GLOBAL T *global(T *p) { return (GLOBAL T *)p; }

#define threadIdx_x ((int)__nvvm_read_ptx_sreg_tid_x())
#define blockIdx_x ((int)__nvvm_read_ptx_sreg_ctaid_x())
#define blockIdx_y ((int)__nvvm_read_ptx_sreg_ctaid_y())
#define blockIdx_z ((int)__nvvm_read_ptx_sreg_ctaid_z())
#define blockDim_x ((int)__nvvm_read_ptx_sreg_ntid_x())
#define gridDim_x ((int)__nvvm_read_ptx_sreg_nctaid_x())
#define __syncthreads() __nvvm_bar_sync(0)

// shuffle gives the value of the lane whose number differs in the bits of mask.
INLINE float shuffle(float x, int mask) { return __nvvm_shfl_sync_bfly_f32(0xffffffff, x, mask, 31); }

INLINE float as_float(u32 b) { return __builtin_bit_cast(float, b); }
INLINE u32 as_bits(float x) { return __builtin_bit_cast(u32, x); }
INLINE float fma32(float x, float y, float z) { return __builtin_fmaf(x, y, z); }

// element is the number of this thread in a grid of one dimension.
INLINE u32 element() { return (u32)blockIdx_x * (u32)blockDim_x + (u32)threadIdx_x; }
