// 3x3 convolutions by Winograd's algorithm F(4x4, 3x3), to the bits of docs/numerics.md (Winograd): weights and inputs become 36 planes, which
// product_f32 multiplies one by one, and the sums become results. A thread treats one channel of one tile.
#include "numeric.h"

enum { PLANES = 36 };

// The points and their powers, all exact.
#define A 0.75
#define B 1.5

// weight_line transforms the three weights of a line, but for the divisors.
INLINE void weight_line(double *u, double g0, double g1, double g2) {
  double s = g0 + (A * A) * g2, d = A * g1, p = g0 + (B * B) * g2, q = B * g1;
  u[0] = g0, u[1] = s + d, u[2] = s - d, u[3] = p + q, u[4] = p - q, u[5] = g2;
}

// winograd_weights makes planes [36,n/c,c] of n weights [n/c,9,cw], of which the channels from first on count; factors are the 36 divisors.
KERNEL winograd_weights(float *planes, const void *w, const double *factors, u32 n, u32 c, u32 cw, u32 first, int type) {
  u32 i = element();
  if (i >= n) return;
  u64 at = (u64)(i / c) * 9 * cw + first + i % c;
  double t[3][6];
#pragma unroll
  for (int j = 0; j < 3; j++)
    weight_line(t[j], weight(w, type, at + (u64)j * cw), weight(w, type, at + (u64)(3 + j) * cw), weight(w, type, at + (u64)(6 + j) * cw));
#pragma unroll
  for (int k = 0; k < 6; k++) {
    double u[6];
    weight_line(u, t[0][k], t[1][k], t[2][k]);
#pragma unroll
    for (int j = 0; j < 6; j++) planes[(u64)(6 * k + j) * n + i] = (float)(u[j] * factors[6 * k + j]);
  }
}

// Tiling is where the tiles of one launch lie; the host writes it.
struct Tiling {
  float *planes;         // [36,tiles,c]
  float *image;          // of inputs [B,h,w,c], or of results
  const float *residual; // as the results, or null
  const float *const *biases;
  int first, tiles;      // the first tile and their number
  int h, w, c;
  int tiles_y, tiles_x;
  int top, left, doubled; // of inputs: the border; whether each pixel stands for four
  int count_biases, pad;
};

INLINE void input_line(float *v, const float *x) {
  const float a = A, b = B, a2 = A * A, b2 = B * B;
  float e = fma32(-b2, x[2], x[4]), o = fma32(-b2, x[1], x[3]);
  v[1] = fma32(a, o, e), v[2] = fma32(-a, o, e);
  e = fma32(-a2, x[2], x[4]), o = fma32(-a2, x[1], x[3]);
  v[3] = fma32(b, o, e), v[4] = fma32(-b, o, e);
  v[0] = fma32(a2 * b2, x[0], fma32(-(a2 + b2), x[2], x[4]));
  v[5] = fma32(a2 * b2, x[1], fma32(-(a2 + b2), x[3], x[5]));
}

INLINE void output_line(float *y, const float *m) {
  const float a = A, a2 = A * A, a3 = A * A * A, b = B, b2 = B * B, b3 = B * B * B;
  float s = m[1] + m[2], d = m[1] - m[2], p = m[3] + m[4], q = m[3] - m[4];
  y[0] = (m[0] + s) + p;
  y[1] = fma32(b, q, a * d);
  y[2] = fma32(b2, p, a2 * s);
  y[3] = fma32(b3, q, fma32(a3, d, m[5]));
}

KERNEL winograd_in(const Tiling *job) {
  const Tiling j = *job;
  u32 i = element();
  if (i >= (u32)j.tiles * (u32)j.c) return;
  int c = i % j.c, tile = j.first + i / j.c;
  int tx = tile % j.tiles_x, ty = tile / j.tiles_x % j.tiles_y, b = tile / j.tiles_x / j.tiles_y;
  int y0 = ty * 4 - j.top, x0 = tx * 4 - j.left;
  const float *p = j.image + (u64)b * j.h * j.w * j.c + c;
  float t[6][6]; // columns, transformed
#pragma unroll
  for (int k = 0; k < 6; k++) {
    float line[6];
    int x = x0 + k;
    if (j.doubled) x >>= 1;
    bool column = (u32)x < (u32)j.w;
#pragma unroll
    for (int r = 0; r < 6; r++) {
      int y = y0 + r;
      if (j.doubled) y >>= 1;
      line[r] = column && (u32)y < (u32)j.h ? global(p)[((u64)y * j.w + x) * j.c] : 0.0f;
    }
    input_line(t[k], line);
  }
  u64 plane = (u64)j.tiles * j.c;
#pragma unroll
  for (int r = 0; r < 6; r++) {
    float line[6] = {t[0][r], t[1][r], t[2][r], t[3][r], t[4][r], t[5][r]}, v[6];
    input_line(v, line);
#pragma unroll
    for (int k = 0; k < 6; k++) global(j.planes)[(6 * r + k) * plane + i] = v[k];
  }
}

KERNEL winograd_out(const Tiling *job) {
  const Tiling j = *job;
  u32 i = element();
  if (i >= (u32)j.tiles * (u32)j.c) return;
  int c = i % j.c, tile = j.first + i / j.c;
  int tx = tile % j.tiles_x, ty = tile / j.tiles_x % j.tiles_y, b = tile / j.tiles_x / j.tiles_y;
  u64 plane = (u64)j.tiles * j.c;
  float t[6][4]; // columns, transformed
#pragma unroll
  for (int k = 0; k < 6; k++) {
    float line[6];
#pragma unroll
    for (int r = 0; r < 6; r++) line[r] = global(j.planes)[(6 * r + k) * plane + i];
    output_line(t[k], line);
  }
  float bias = 0.0f;
  for (int k = 0; k < j.count_biases; k++) {
    float v = global(global(j.biases)[k])[c];
    bias = k ? bias + v : v;
  }
#pragma unroll
  for (int r = 0; r < 4; r++) {
    float line[6] = {t[0][r], t[1][r], t[2][r], t[3][r], t[4][r], t[5][r]}, v[4];
    output_line(v, line);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      int y = ty * 4 + r, x = tx * 4 + k;
      if (y >= j.h || x >= j.w) continue;
      u64 at = (((u64)b * j.h + y) * j.w + x) * j.c + c;
      float f = v[k] + bias;
      if (j.residual) f = f + global(j.residual)[at];
      global(j.image)[at] = f;
    }
  }
}
