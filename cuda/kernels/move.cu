// What only places data.
#include "numeric.h"

// strided copies stretches of len floats: element e of stretch i from src[i*from + e] to dst[i*to + e]. n is the number of elements.
KERNEL strided(float *dst, const float *src, u32 n, u32 len, u64 to, u64 from) {
  u32 i = element();
  if (i < n) dst[i / len * to + i % len] = src[i / len * from + i % len];
}

// upsample enlarges [B,h,w,c] to [B,oh,ow,c] by nearest neighbour; n is the number of elements of y.
KERNEL upsample(float *y, const float *x, u32 n, int h, int w, int c, int oh, int ow) {
  u32 i = element();
  if (i >= n) return;
  int k = i % c, px = i / c % ow, line = i / c / ow % oh, b = i / c / ow / oh;
  int from = (int)((float)line * ((float)h / (float)oh)), at = (int)((float)px * ((float)w / (float)ow));
  from = from < h - 1 ? from : h - 1;
  at = at < w - 1 ? at : w - 1;
  y[i] = x[(((u64)b * h + from) * w + at) * c + k];
}

// embed looks rows of c elements up in a table, and adds those of positions, of which there are period, if there are any.
KERNEL embed(float *y, const int *ids, const void *table, const void *positions, u32 n, u32 c, u32 period, int table_type, int positions_type) {
  u32 i = element();
  if (i >= n) return;
  u32 token = i / c, k = i % c;
  float v = weight(table, table_type, (u64)ids[token] * c + k);
  if (positions) v = v + weight(positions, positions_type, (u64)(token % period) * c + k);
  y[i] = v;
}

// widen makes fp32 of stored weights.
KERNEL widen(float *y, const void *w, u32 n, int type) {
  u32 i = element();
  if (i < n) y[i] = weight(w, type, i);
}

// taps_first_2 and _4 turn a convolution's weight [N,c,taps] into [N,taps,c]; n is the number of elements.
template <class T> INLINE void taps_first(T *y, const T *w, u32 n, u32 c, u32 taps) {
  u32 i = element();
  if (i < n) y[i] = w[((u64)(i / c / taps) * c + i % c) * taps + i / c % taps];
}

KERNEL taps_first_2(u16 *y, const u16 *w, u32 n, u32 c, u32 taps) { taps_first(y, w, n, c, taps); }
KERNEL taps_first_4(u32 *y, const u32 *w, u32 n, u32 c, u32 taps) { taps_first(y, w, n, c, taps); }
