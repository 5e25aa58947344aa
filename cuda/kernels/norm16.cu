// Norms of class fp16: statistics in fp32, of values that are fp16 or fp32, four channels a lane.
#include "tensor.h"

enum { CHUNK = 64, LANES = 32 }; // pixels of which moments are taken at a time

// Moments are a mean and a sum of squared differences of so many numbers.
struct Moments { float count, mean, m2; };

// join merges two by Chan's formula.
INLINE Moments join(Moments a, Moments b) {
  float n = a.count + b.count, d = b.mean - a.mean, share = b.count / n;
  return {n, fma32(d, share, a.mean), (a.m2 + b.m2) + d * d * (a.count * share)};
}

// chunk_moments takes the moments of each channel over 64 pixels: x [B,pixels,c]; y [B,chunks,2,c], means and sums of squared differences. A
// block treats 128 channels of a chunk, a warp a quarter of its pixels. Grids are stretches of 128 channels by chunks by batch.
KERNEL __launch_bounds__(128) chunk_moments(float *y, const void *x, int half, int pixels, int c) {
  __shared__ Moments part[3][LANES * 4];
  int lane = threadIdx_x & 31, warp = threadIdx_x >> 5, k = blockIdx_x * 128 + lane * 4;
  int first = blockIdx_y * CHUNK + warp * (CHUNK / 4), last = first + CHUNK / 4 < pixels ? first + CHUNK / 4 : pixels;
  Moments m[4];
#pragma unroll
  for (int e = 0; e < 4; e++) m[e] = Moments{0.0f, 0.0f, 0.0f};
  if (k < c && first < last) {
    u64 from = ((u64)blockIdx_z * pixels + first) * c + k;
    float4 v = read4(x, half, from);
    float shift[4] = {v.x, v.y, v.z, v.w}, sum[4] = {0.0f, 0.0f, 0.0f, 0.0f}, squares[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int p = first + 1; p < last; p++) {
      v = read4(x, half, from += c);
      float d[4] = {v.x - shift[0], v.y - shift[1], v.z - shift[2], v.w - shift[3]};
#pragma unroll
      for (int e = 0; e < 4; e++) sum[e] = sum[e] + d[e], squares[e] = fma32(d[e], d[e], squares[e]);
    }
    float n = (float)(last - first);
#pragma unroll
    for (int e = 0; e < 4; e++) m[e] = Moments{n, shift[e] + sum[e] / n, squares[e] - sum[e] * (sum[e] / n)};
  }
  if (warp) {
#pragma unroll
    for (int e = 0; e < 4; e++) part[warp - 1][lane * 4 + e] = m[e];
  }
  __syncthreads();
  if (warp || k >= c) return;
  float *p = y + ((u64)blockIdx_z * gridDim_y + blockIdx_y) * 2 * c + k;
#pragma unroll
  for (int e = 0; e < 4; e++) {
    for (int w = 0; w < 3; w++)
      if (part[w][lane * 4 + e].count > 0.0f) m[e] = join(m[e], part[w][lane * 4 + e]);
    global(p)[e] = m[e].mean;
    global(p)[c + e] = m[e].m2;
  }
}

// total adds up a number of each thread of a block of 128, in the same order always.
INLINE float total(float v, float *shared) {
#pragma unroll
  for (int half = 16; half; half >>= 1) v = v + shuffle(v, half);
  __syncthreads();
  if ((threadIdx_x & 31) == 0) shared[threadIdx_x >> 5] = v;
  __syncthreads();
  return (shared[0] + shared[1]) + (shared[2] + shared[3]);
}

// Source is one of the values that are read as if concatenated.
struct Source {
  const float *moments; // [B,chunks,2,c]
  int c, pad;
};

// group_maps makes each channel's map x*a + b: map is [B,2,c]. A block is one group of one entry. Grids are groups by batch.
KERNEL __launch_bounds__(128) group_maps(float *map, const Source *sources, const float *gamma, const float *beta, int groups, int c, int pixels, float eps) {
  __shared__ float shared[4];
  int g = blockIdx_x, b = blockIdx_y, size = c / groups, chunks = (pixels + CHUNK - 1) / CHUNK;
  float n = (float)size * (float)pixels, sum = 0.0f;
  for (int pass = 0;; pass++) {
    float mean = sum, add = 0.0f;
    for (int e = threadIdx_x; e < size * chunks; e += 128) {
      int chunk = e / size, k = g * size + e % size;
      const Source *s = sources;
      while (k >= s->c) k -= s->c, s++;
      GLOBAL const float *p = global(s->moments + ((u64)b * chunks + chunk) * 2 * s->c + k);
      float count = (float)(pixels - chunk * CHUNK < CHUNK ? pixels - chunk * CHUNK : CHUNK);
      if (pass == 0) {
        add = add + p[0] * count;
      } else {
        float d = p[0] - mean;
        add = add + fma32(d * d, count, p[s->c]);
      }
    }
    add = total(add, shared);
    if (pass == 0) {
      sum = add / n;
      continue;
    }
    float rstd = 1.0f / __nvvm_sqrt_rn_f(add / n + eps);
    float *q = map + (u64)b * 2 * c;
    for (int k = g * size + threadIdx_x; k < (g + 1) * size; k += 128) {
      float a = rstd * gamma[k];
      q[k] = a;
      q[c + k] = fma32(-mean, a, beta[k]);
    }
    return;
  }
}

// What is fp16 rather than fp32.
enum { HALF_Y = 1, HALF_X = 2 };

// apply_maps applies the map of each channel: x [B,pixels,c] are channels at.. of y [B,pixels,all]; n is a quarter of x's elements.
KERNEL apply_maps(void *y, const void *x, const float *map, u32 n, u32 pixels, u32 c, u32 all, u32 at, int act, int half) {
  u32 i = element();
  if (i >= n) return;
  u32 k = i % (c / 4) * 4, p = i / (c / 4);
  const float *m = map + (u64)(p / pixels) * 2 * all + at + k;
  float4 v = read4(x, half & HALF_X, (u64)i * 4), a = *(GLOBAL const float4 *)m, b = *(GLOBAL const float4 *)(m + all);
  write4(y, half & HALF_Y, (u64)p * all + at + k,
         float4{activation(act, fma32(v.x, a.x, b.x)), activation(act, fma32(v.y, a.y, b.y)), activation(act, fma32(v.z, a.z, b.z)),
                activation(act, fma32(v.w, a.w, b.w))});
}

// layer_norm16 normalises rows of c elements, a multiple of 4; gamma and beta may be null. A warp a row.
KERNEL layer_norm16(void *y, const void *x, const float *gamma, const float *beta, int rows, int c, float eps, int half) {
  int lane = threadIdx_x & 31, row = element() >> 5;
  if (row >= rows) return;
  u64 from = (u64)row * c;
  float n = (float)c, s = 0.0f;
  for (int i = lane * 4; i < c; i += 128) {
    float4 v = read4(x, half & HALF_X, from + i);
    s = s + ((v.x + v.y) + (v.z + v.w));
  }
#pragma unroll
  for (int far = 16; far; far >>= 1) s = s + shuffle(s, far);
  float mean = s / n;
  s = 0.0f;
  for (int i = lane * 4; i < c; i += 128) {
    float4 v = read4(x, half & HALF_X, from + i) - mean;
    s = fma32(v.x, v.x, fma32(v.y, v.y, fma32(v.z, v.z, fma32(v.w, v.w, s))));
  }
#pragma unroll
  for (int far = 16; far; far >>= 1) s = s + shuffle(s, far);
  float rstd = 1.0f / __nvvm_sqrt_rn_f(s / n + eps);
  for (int i = lane * 4; i < c; i += 128) {
    float4 v = (read4(x, half & HALF_X, from + i) - mean) * rstd, g = {1.0f, 1.0f, 1.0f, 1.0f}, b = {0.0f, 0.0f, 0.0f, 0.0f};
    if (gamma) g = *(GLOBAL const float4 *)(gamma + i);
    if (beta) b = *(GLOBAL const float4 *)(beta + i);
    write4(y, half & HALF_Y, from + i, float4{fma32(v.x, g.x, b.x), fma32(v.y, g.y, b.y), fma32(v.z, g.z, b.z), fma32(v.w, g.w, b.w)});
  }
}
