// What treats each element alone: a thread an element. n is the number of elements.
#include "numeric.h"

KERNEL activate(float *y, const float *x, u32 n, int act) {
  u32 i = element();
  if (i < n) y[i] = activation(act, x[i]);
}

// geglu: y is rows of w, x of w values and then w gates.
KERNEL geglu(float *y, const float *x, u32 n, u32 w) {
  u32 i = element();
  if (i >= n) return;
  u64 at = (u64)(i / w) * 2 * w + i % w;
  y[i] = x[at] * gelu(x[at + w]);
}

KERNEL add(float *y, const float *a, const float *b, u32 n) {
  u32 i = element();
  if (i < n) y[i] = a[i] + b[i];
}

KERNEL affine(float *y, const float *x, u32 n, float mul, float plus) {
  u32 i = element();
  if (i < n) y[i] = x[i] * mul + plus;
}

// guidance: u + scale*(c - u).
KERNEL guidance(float *y, const float *u, const float *c, u32 n, float scale) {
  u32 i = element();
  if (i < n) y[i] = u[i] + scale * (c[i] - u[i]);
}

// self_guidance: g + scale*(u - d).
KERNEL self_guidance(float *y, const float *g, const float *u, const float *d, u32 n, float scale) {
  u32 i = element();
  if (i < n) y[i] = g[i] + scale * (u[i] - d[i]);
}

// The predictions' numbers are those of program.Prediction.
enum { EPSILON, V, SAMPLE };

struct Estimate { float x0, e; };

// estimate splits x, of which a model says m, into the picture and the noise: x = alpha*x0 + sigma*e.
INLINE Estimate estimate(int prediction, float x, float m, float alpha, float sigma) {
  switch (prediction) {
  case V: return {alpha * x - sigma * m, alpha * m + sigma * x};
  case SAMPLE: return {m, (x - alpha * m) / sigma};
  }
  return {(x - sigma * m) / alpha, m};
}

// solver_step: c holds alpha_t, sigma_t, alpha_prev, sigma_dir.
KERNEL solver_step(float *y, const float *x, const float *m, const float *c, u32 n, int prediction) {
  u32 i = element();
  if (i >= n) return;
  Estimate s = estimate(prediction, x[i], m[i], c[0], c[1]);
  y[i] = c[2] * s.x0 + c[3] * s.e;
}

// mirror reflects an index at the first and the last of n.
INLINE int mirror(int i, int n) {
  if (n == 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

// blur_columns is the blur of degraded latents along columns, of what the model's output says of the picture. x, m, y: [B,h,row]; c as in
// solver_step.
KERNEL blur_columns(float *y, const float *x, const float *m, const float *c, const float *taps, u32 n, int h, int row, int count,
                    int prediction) {
  u32 i = element();
  if (i >= n) return;
  int e = i % row, line = i / row % h;
  u64 from = (u64)(i / row / h) * h * row + e;
  float sum = 0.0f;
  for (int t = 0; t < count; t++) {
    u64 at = from + (u64)mirror(line + t - count / 2, h) * row;
    sum = fma32(taps[t], estimate(prediction, x[at], m[at], c[0], c[1]).x0, sum);
  }
  y[i] = sum;
}

// nearest is the source of place i where n places become m.
INLINE int nearest(int i, int n, int m) {
  int k = (int)((float)i * ((float)n / (float)m));
  return k < n - 1 ? k : n - 1;
}

// degrade puts latents together: where the column of attention of a cell is greater than 1 the picture is blurred along rows too.
// blurred is what blur_columns has made; x, m, y: [B,h,w,ch]; columns: [B,mh,mw].
KERNEL degrade(float *y, const float *x, const float *m, const float *blurred, const float *columns, const float *c,
               const float *taps, u32 n, int h, int w, int ch, int mh, int mw, int count, int prediction) {
  u32 i = element();
  if (i >= n) return;
  int k = i % ch, px = i / ch % w, line = i / ch / w % h, b = i / ch / w / h;
  Estimate s = estimate(prediction, x[i], m[i], c[0], c[1]);
  if (columns[((u64)b * mh + nearest(line, mh, h)) * mw + nearest(px, mw, w)] > 1.0f) {
    s.x0 = 0.0f;
    const float *row = blurred + ((u64)b * h + line) * w * ch + k;
    for (int t = 0; t < count; t++) s.x0 = fma32(taps[t], row[(u64)mirror(px + t - count / 2, w) * ch], s.x0);
  }
  y[i] = c[0] * s.x0 + c[1] * s.e;
}
