// Conversions of class fp16, and what treats each element alone there: four elements a thread. n is the number of threads.
#include "tensor.h"

// pack_rows rounds rows of c numbers to fp16, or takes those that are, each row followed by zeros up to wide.
KERNEL pack_rows(u16 *y, const void *x, u32 n, u32 c, u32 wide, int half) {
  u32 i = element();
  if (i >= n) return;
  u32 k = i % wide;
  y[i] = k < c ? to_f16(read(x, half, (u64)(i / wide) * c + k)) : (u16)0;
}

// widen_rows makes fp32 of fp16 numbers.
KERNEL widen_rows(float *y, const u16 *x, u32 n) {
  u32 i = element();
  if (i < n) y[i] = from_f16(x[i]);
}

// pack_weights makes a segment's panel [N,taps,wide] of c of the all input channels of a weight [N,all,taps], from channel first on; zeros
// follow them.
KERNEL pack_weights(u16 *y, const void *w, u32 n, u32 c, u32 wide, u32 all, u32 first, u32 taps, int type) {
  u32 i = element();
  if (i >= n) return;
  u32 k = i % wide, tap = i / wide % taps, row = i / wide / taps;
  y[i] = k < c ? to_f16(weight(w, type, ((u64)row * all + first + k) * taps + tap)) : (u16)0;
}

// What is fp16 rather than fp32.
enum { HALF_Y = 1, HALF_A = 2, HALF_B = 4 };

KERNEL activate16(void *y, const void *x, u32 n, int act, int half) {
  u32 i = element();
  if (i >= n) return;
  float4 v = read4(x, half & HALF_A, (u64)i * 4);
  write4(y, half & HALF_Y, (u64)i * 4, float4{activation(act, v.x), activation(act, v.y), activation(act, v.z), activation(act, v.w)});
}

// geglu16: y is rows of w, x of w values and then w gates; w is a multiple of 4.
KERNEL geglu16(void *y, const void *x, u32 n, u32 w, int half) {
  u32 i = element();
  if (i >= n) return;
  u64 at = (u64)(i / (w / 4)) * 2 * w + i % (w / 4) * 4;
  float4 v = read4(x, half & HALF_A, at), g = read4(x, half & HALF_A, at + w);
  write4(y, half & HALF_Y, (u64)i * 4, float4{v.x * gelu(g.x), v.y * gelu(g.y), v.z * gelu(g.z), v.w * gelu(g.w)});
}

KERNEL add16(void *y, const void *a, const void *b, u32 n, int half) {
  u32 i = element();
  if (i < n) write4(y, half & HALF_Y, (u64)i * 4, read4(a, half & HALF_A, (u64)i * 4) + read4(b, half & HALF_B, (u64)i * 4));
}

KERNEL affine16(void *y, const void *x, u32 n, float mul, float plus, int half) {
  u32 i = element();
  if (i < n) write4(y, half & HALF_Y, (u64)i * 4, read4(x, half & HALF_A, (u64)i * 4) * mul + plus);
}
