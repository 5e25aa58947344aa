// What the kernels of class fp16 share: fp16 numbers, asynchronous copies, matrices of tensor cores (PTX ISA 7.0).
#pragma once
#include "numeric.h"

typedef u32 uint2 __attribute__((ext_vector_type(2)));
typedef float float2 __attribute__((ext_vector_type(2)));

#define gridDim_y ((int)__nvvm_read_ptx_sreg_nctaid_y())

// pack rounds two numbers to fp16, the first in the low half.
INLINE u32 pack(float lo, float hi) {
  u32 r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
  return r;
}
INLINE u16 to_f16(float x) {
  u16 r;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r) : "f"(x));
  return r;
}
INLINE float low(u32 h) { return from_f16((u16)h); }
INLINE float high(u32 h) { return from_f16((u16)(h >> 16)); }

// read and write take element i of numbers that are fp16 or fp32; read4 and write4 take four, whose first is a multiple of 4.
INLINE float read(const void *p, bool half, u64 i) { return half ? from_f16(global((const u16 *)p)[i]) : global((const float *)p)[i]; }
INLINE void write(void *p, bool half, u64 i, float v) {
  if (half) global((u16 *)p)[i] = to_f16(v);
  else global((float *)p)[i] = v;
}
INLINE float4 read4(const void *p, bool half, u64 i) {
  if (!half) return *(GLOBAL const float4 *)((const float *)p + i);
  uint2 h = *(GLOBAL const uint2 *)((const u16 *)p + i);
  return float4{low(h.x), high(h.x), low(h.y), high(h.y)};
}
INLINE void write4(void *p, bool half, u64 i, float4 v) {
  if (half) *(GLOBAL uint2 *)((u16 *)p + i) = uint2{pack(v.x, v.y), pack(v.z, v.w)};
  else *(GLOBAL float4 *)((float *)p + i) = v;
}

// shared_address is the 32-bit address of shared memory.
INLINE u32 shared_address(const void *p) { return (u32)(u64)(__attribute__((address_space(3))) const void *)p; }

// copy16 copies 16 bytes to shared memory, or writes zeros where size is 0; it lands when its group has been waited for.
INLINE void copy16(u32 to, const void *from, int size) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(size) : "memory");
}
INLINE void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> INLINE void wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }
INLINE void sync_warp() { asm volatile("bar.warp.sync 0xffffffff;" ::: "memory"); }

// load_matrices reads four 8x8 matrices, load_transposed their transposes: lane 8*j + r gives the address of row r of matrix j.
INLINE void load_matrices(u32 *r, u32 at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}
INLINE void load_transposed(u32 *r, u32 at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

// multiply adds the product of a 16x16 and a 16x8 matrix to c.
INLINE void multiply(float *c, const u32 *a, const u32 *b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
