// Normal numbers as torch.randn draws them: internal/curand, operation by operation.
#include "numeric.h"

struct Words {
  u32 v[4];
};

INLINE Words philox(u32 c0, u32 c1, u32 c2, u32 c3, u32 k0, u32 k1) {
#pragma unroll
  for (int i = 0; i < 10; i++) {
    u64 a = (u64)0xd2511f53u * c0, b = (u64)0xcd9e8d57u * c2;
    c0 = (u32)(b >> 32) ^ c1 ^ k0;
    c1 = (u32)b;
    c2 = (u32)(a >> 32) ^ c3 ^ k1;
    c3 = (u32)a;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return {{c0, c1, c2, c3}};
}

// quarters is an angle of [0, 2 pi] in quarter turns with 23 bits behind the point.
INLINE u32 quarters(float v) {
  u32 b = as_bits(v);
  u64 p = (u64)((b & 0x7fffff) | 1 << 23) * 0xa2f983u;
  u32 drop = 23 + (u32)(p >> 47);
  return (u32)(p >> drop << drop >> (151 - (b >> 23)));
}

INLINE u32 square(u32 x) {
  u32 sum = 0;
#pragma unroll
  for (int i = 0; i < 17; i++) sum += x >> i & 1 ? x >> (18 - i) : 0;
  return sum >> 1;
}

// sine is that of an angle in quarter turns, by the quadratics of a table; all but 24 bits are cut off.
INLINE float sine(u32 q, const int *table) {
  u32 at = (q >> 23 & 1 ? ~q : q) & 0x7fffff, x = at & 0x1ffff;
  const int *c = table + 3 * (at >> 17);
  u64 y = (u64)(((long long)c[0] << 11) + (long long)c[1] * x - (long long)c[2] * square(x));
  int drop = 40 - __builtin_clzll(y | 1);
  if (drop > 0) y = y >> drop << drop;
  float s = (float)(u32)(y >> 14) * 0x1p-23f + (float)(u32)(y & 0x3fff) * 0x1p-37f; // exact: of 24 bits
  return q >> 24 & 1 ? -s : s;
}

// log_ is logf of CUDA's library for a number of [2^-33, 1].
INLINE float log_(float x) {
  u32 b = as_bits(x), e = (b - 0x3f2aaaab) & 0xff800000;
  float f = as_float(b - e) - 1.0f, p = -0.13018857f;
  p = fma32(p, f, 0.1408461f);
  p = fma32(p, f, -0.12148628f);
  p = fma32(p, f, 0.1398061f);
  p = fma32(p, f, -0.16684236f);
  p = fma32(p, f, 0.200123f);
  p = fma32(p, f, -0.24999669f);
  p = fma32(p, f, 0.33333182f);
  p = fma32(p, f, -0.5f);
  p = fma32(f * p, f, f);
  return fma32((float)(int)e * 0x1p-23f, 0.6931472f, p);
}

// normals draws n numbers [B,pixels,c] from the seeds of B entries, each of which are numbers [c,pixels] that a device of so many threads drew.
KERNEL normals(float *y, const u32 *seeds, const int *table, u32 n, u32 entry, u32 pixels, u32 c, u32 threads) {
  u32 i = element();
  if (i >= n) return;
  u32 b = i / entry, at = i % c * pixels + i % entry / c, slot = at / threads;
  Words w = philox(slot / 4, 0, at % threads, 0, seeds[2 * b], seeds[2 * b + 1]);
  const float angle = 2.3283064e-10f * 6.2831855f;
  float u = fma32((float)(slot & 2 ? w.v[2] : w.v[0]), 0x1p-32f, 0x1p-33f);
  u32 q = quarters(fma32((float)(slot & 2 ? w.v[3] : w.v[1]), angle, angle / 2));
  if (slot & 1) q += 1 << 23;
  y[i] = sine(q, table) * __nvvm_sqrt_rn_f(-2.0f * log_(u)) + 0.0f;
}
