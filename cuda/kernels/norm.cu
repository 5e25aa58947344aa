// Norms, to the bits of docs/numerics.md (Reductions). Factors of Chan's formula come from the host, which makes them in float64.
#include "numeric.h"

// Merge are the factors for joining nb elements to na: nb/n and na*nb/n; of blocks of pixels also 1/nb.
struct Merge { float share, weight, inverse, pad; };

// join merges moments b into mean and m2.
INLINE void join(float &mean, float &m2, float mean_b, float m2_b, const Merge &f) {
  float delta = mean_b - mean;
  mean = fma32(delta, f.share, mean);
  m2 = (m2 + m2_b) + (delta * delta) * f.weight;
}

// row_moments takes the moments of each channel of each line of an image: x [lines,w,c]; y [lines,2,c], means and sums of squared
// differences. merges has an entry for each block of 8 pixels of a line. A thread is one channel of one line.
KERNEL row_moments(float *y, const float *x, const Merge *merges, int w, int c) {
  int k = element(), line = blockIdx_y;
  if (k >= c) return;
  const float *p = x + (u64)line * w * c + k;
  float mean = 0.0f, m2 = 0.0f;
  for (int block = 0; block * 8 < w; block++, p += (u64)8 * c) {
    int n = w - block * 8;
    float sum, m, s = 0.0f;
    if (n >= 8) {
      float v[8];
#pragma unroll
      for (int e = 0; e < 8; e++) v[e] = p[(u64)e * c];
      sum = v[0];
#pragma unroll
      for (int e = 1; e < 8; e++) sum = sum + v[e];
      m = sum * merges[block].inverse;
#pragma unroll
      for (int e = 0; e < 8; e++) s = fma32(v[e] - m, v[e] - m, s);
    } else {
      sum = p[0];
      for (int e = 1; e < n; e++) sum = sum + p[(u64)e * c];
      m = sum * merges[block].inverse;
      for (int e = 0; e < n; e++) {
        float d = p[(u64)e * c] - m;
        s = fma32(d, d, s);
      }
    }
    if (block) join(mean, m2, m, s, merges[block]);
    else mean = m, m2 = s;
  }
  y[(u64)line * 2 * c + k] = mean;
  y[((u64)line * 2 + 1) * c + k] = m2;
}

// merge_rows merges the moments of an image's lines: y is [B,2,all], of which channels at.. are those of moments [B*h,2,c].
KERNEL merge_rows(float *y, const float *moments, const Merge *merges, int h, int c, int all, int at) {
  int k = element(), b = blockIdx_y;
  if (k >= c) return;
  const float *p = moments + (u64)b * h * 2 * c + k;
  float mean = p[0], m2 = p[c];
  for (int r = 1; r < h; r++) {
    p += (u64)2 * c;
    join(mean, m2, p[0], p[c], merges[r]);
  }
  y[(u64)b * 2 * all + at + k] = mean;
  y[((u64)b * 2 + 1) * all + at + k] = m2;
}

// merge_groups merges the channels of each group of an image and writes each channel's map x*a + b: map is [B,2,c]. pixels is the number of
// elements of a channel. A thread is one group.
KERNEL merge_groups(float *map, const float *moments, const Merge *merges, const float *gamma, const float *beta, int groups, int c,
                    float pixels, float eps) {
  int g = element(), b = blockIdx_y, size = c / groups;
  if (g >= groups) return;
  const float *p = moments + (u64)b * 2 * c + g * size;
  float mean = p[0], m2 = p[c];
  for (int k = 1; k < size; k++) join(mean, m2, p[k], p[c + k], merges[k]);
  float rstd = 1.0f / __nvvm_sqrt_rn_f(m2 / pixels + eps);
  float *q = map + (u64)b * 2 * c;
  for (int k = g * size; k < (g + 1) * size; k++) {
    float a = rstd * gamma[k];
    q[k] = a;
    q[c + k] = fma32(-mean, a, beta[k]);
  }
}

// apply_map applies the map of each channel: x [B,pixels,c] are channels at.. of y [B,pixels,all]; n is the number of elements of x.
KERNEL apply_map(float *y, const float *x, const float *map, u32 n, u32 pixels, u32 c, u32 all, u32 at, int act) {
  u32 i = element();
  if (i >= n) return;
  u32 k = i % c, p = i / c;
  const float *m = map + (u64)(p / pixels) * 2 * all + at + k;
  y[(u64)p * all + at + k] = activation(act, fma32(x[i], m[0], m[all]));
}

// layer_norm normalises rows of c elements; gamma and beta may be null. 16 threads a row: the lanes of the definition.
KERNEL layer_norm(float *y, const float *x, const float *gamma, const float *beta, int rows, int c, float eps) {
  int lane = threadIdx_x & 15, row = element() >> 4;
  bool there = row < rows;
  const float *p = x + (u64)(there ? row : 0) * c;
  float n = (float)c, s = 0.0f;
  for (int i = lane; i < c; i += 16) s = s + p[i];
#pragma unroll
  for (int half = 8; half; half >>= 1) s = s + shuffle(s, half);
  float mean = s / n;
  s = 0.0f;
  for (int i = lane; i < c; i += 16) {
    float d = p[i] - mean;
    s = fma32(d, d, s);
  }
#pragma unroll
  for (int half = 8; half; half >>= 1) s = s + shuffle(s, half);
  float rstd = 1.0f / __nvvm_sqrt_rn_f(s / n + eps);
  if (!there) return;
  y += (u64)row * c;
  for (int i = lane; i < c; i += 16) y[i] = fma32((p[i] - mean) * rstd, gamma ? gamma[i] : 1.0f, beta ? beta[i] : 0.0f);
}
