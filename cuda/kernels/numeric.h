// The functions of internal/numeric, operation by operation: their order there is the definition (docs/numerics.md).
// Compiled without contraction, so that x*y + z has two roundings and fma32 one.
#pragma once
#include "device.h"

#define INFINITY32 as_float(0x7f800000)

// rint32 rounds |x| < 2^22 to the nearest whole number, ties to even.
INLINE float rint32(float x) {
  float y = x + 12582912.0f;
  return y - 12582912.0f;
}

INLINE float pow2(int n) { return as_float((u32)(n + 127) << 23); }

// scale2 is p * 2^n in two exact steps; a result below 2^-126 is +0.
INLINE float scale2(float p, int n) {
  int h = n >> 1;
  float r = (p * pow2(h)) * pow2(n - h);
  return r < 0x1p-126f ? 0.0f : r;
}

INLINE float exp2_(float x) {
  float n = rint32(x), f = x - n;
  float p = 0.00015353361959569156f;
  p = fma32(p, f, 0.0013398875016719103f);
  p = fma32(p, f, 0.00961843691766262f);
  p = fma32(p, f, 0.055503323674201965f);
  p = fma32(p, f, 0.24022647738456726f);
  p = fma32(p, f, 0.6931471824645996f);
  p = fma32(p, f, 1.0f);
  float r = scale2(p, (int)n);
  r = x < -126.0f ? 0.0f : r;
  r = x > 128.0f ? INFINITY32 : r;
  return x != x ? x : r;
}

INLINE float exp_(float x) {
  float n = rint32(x * 1.44269504f);
  float f = fma32(n, -0.693359375f, x);
  f = fma32(n, 2.12194440e-4f, f);
  float p = 0.0013843653723597527f;
  p = fma32(p, f, 0.00837415549904108f);
  p = fma32(p, f, 0.04166800156235695f);
  p = fma32(p, f, 0.16666431725025177f);
  p = fma32(p, f, 0.4999999403953552f);
  p = fma32(p, f, 1.0f);
  p = fma32(p, f, 1.0f);
  float r = scale2(p, (int)n);
  r = x < -87.33654f ? 0.0f : r;
  r = x > 88.72283f ? INFINITY32 : r;
  return x != x ? x : r;
}

INLINE float silu(float x) { return x / (1.0f + exp_(-x)); }

INLINE float quick_gelu(float x) { return x / (1.0f + exp_(-(1.702f * x))); }

INLINE float magnitude(float x) { return as_float(as_bits(x) & 0x7fffffff); }
INLINE float with_sign(float r, float x) { return as_float(as_bits(r) | (as_bits(x) & 0x80000000)); }

INLINE float erf_(float x) {
  float t = magnitude(x), s = x * x;
  float r = -5.96761703e-4f;
  r = fma32(r, s, 4.99119423e-3f);
  r = fma32(r, s, -2.67681349e-2f);
  r = fma32(r, s, 1.12819925e-1f);
  r = fma32(r, s, -3.76125336e-1f);
  r = fma32(r, s, 1.28379166e-1f);
  float low = fma32(r, x, x);
  if (t > 4.0f) { // erf is 1 to the last bit
    t = 4.0f;
    s = 16.0f;
  }
  r = fma32(-1.72853470e-5f, t, 3.83197126e-4f);
  float u = fma32(-3.88396438e-3f, t, 2.42546219e-2f);
  r = fma32(r, s, u);
  r = fma32(r, t, -1.06777877e-1f);
  r = fma32(r, t, -6.34846687e-1f);
  r = fma32(r, t, -1.28717512e-1f);
  r = fma32(r, t, -t);
  r = 1.0f - exp_(r);
  return t > 0.921875f ? with_sign(r, x) : low;
}

INLINE float gelu(float x) { return (0.5f * x) * (1.0f + erf_(x * 0.70710678f)); }

INLINE float tanh_(float x) {
  float t = magnitude(x), s = x * x;
  float r = 0.02186949f;
  r = fma32(r, s, -0.05396825f);
  r = fma32(r, s, 0.13333334f);
  r = fma32(r, s, -0.33333334f);
  r = r * s;
  float low = fma32(r, x, x);
  r = 1.0f - 2.0f / (exp_(2.0f * t) + 1.0f);
  return t < 0.25f ? low : with_sign(r, x);
}

INLINE float gelu_tanh(float x) {
  float c = (x * x) * x;
  float u = x + 0.044715f * c;
  return (0.5f * x) * (1.0f + tanh_(0.7978846f * u));
}

// The functions' numbers are those of program.Activation.
enum { NONE, SILU, GELU, QUICK_GELU, GELU_TANH, RELU };

INLINE float activation(int act, float x) {
  switch (act) {
  case SILU: return silu(x);
  case GELU: return gelu(x);
  case QUICK_GELU: return quick_gelu(x);
  case GELU_TANH: return gelu_tanh(x);
  case RELU: return x > 0.0f ? x : (x != x ? x : 0.0f);
  }
  return x;
}

// round_bf16 rounds an operand of a bf16 product (numeric.RoundBF16).
INLINE float round_bf16(float x) {
  u32 b = as_bits(x), e = b & 0x7f800000;
  u32 r = (b + 0x7fff + (b >> 16 & 1)) & 0xffff0000;
  r = e < (127 - 63) << 23 ? b & 0x80000000 : r;
  u32 special = (b & 0x007fffff) ? (b & 0xffff0000) | 0x00400000 : b;
  return as_float(e >= 0x7f800000 ? special : r);
}

// Term adds one term of a product: exact products, one rounding. With BF operands are bf16 numbers and what lies below 2^-126 is
// zero; both follow from flushing, since a product of such operands is zero or normal.
template <bool BF> INLINE float term(float x, float w, float acc) {
  return BF ? __nvvm_fma_rn_ftz_f(x, w, acc) : fma32(x, w, acc);
}

// operand is what a product makes of a number that it reads.
template <bool BF> INLINE float operand(float x) { return BF ? round_bf16(x) : x; }

// The types of stored weights are those of program.WeightType, fp64 apart, which is rounded while it is uploaded.
enum { W_F32, W_F16, W_BF16 };

INLINE float from_f16(u16 h) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
  return x;
}

INLINE float from_bf16(u16 h) { return as_float((u32)h << 16); }

// weight widens element i of stored weights.
INLINE float weight(const void *w, int type, u64 i) {
  if (type == W_F32) return global((const float *)w)[i];
  u16 h = global((const u16 *)w)[i];
  return type == W_F16 ? from_f16(h) : from_bf16(h);
}
