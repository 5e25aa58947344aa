// Attention and its columns, to the bits of docs/numerics.md. A block of 128 threads treats 16 queries of one head.
#include "numeric.h"

enum { TQ = 16, TK = 128, TD = 16, BLOCK = 512 };

// Job is one attention; the host writes it. q is [B,t,c], k and v are [B,s,c]; heads have d channels each.
struct Attention {
  float *y;
  const float *q, *k, *v;
  int t, s, c, d;
  int keys_step; // batch entries of k and v from one of q to the next: 0 or 1
  int causal;
  int vector; // rows of heads can be read by 16 bytes
  float scale;
};

// Tiles are the stretches of queries and keys of which scores are made, channel by channel.
struct Tiles {
  float q[TD][TQ], k[TD][TK];
};

// load4 reads 4 channels from ch on of a head's row; zeros beyond the last of d and where there is no row.
INLINE void load4(float *v, const float *p, int ch, int d, bool row, bool vector) {
  if (vector && row && ch < d) {
    float4 a = *(GLOBAL const float4 *)(p + ch);
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; i++) v[i] = row && !vector && ch + i < d ? global(p)[ch + i] : 0.0f;
}

// scores makes the dot products of 16 queries from q0 on with keys k0..k0+127, those from last on apart; this thread's are acc[query][key],
// from query 4*(lane/8) and key 32*warp + 4*(lane%8) on.
template <bool BF> INLINE void scores(float (*acc)[4], Tiles &tiles, const Attention &a, const float *q, const float *k, int q0, int k0, int last) {
  int t = threadIdx_x, lane = t & 31, warp = t >> 5;
  int qi = (lane >> 3) * 4, ki = warp * 32 + (lane & 7) * 4;
  bool works = k0 + warp * 32 < last;
#pragma unroll
  for (int i = 0; i < 4; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) acc[i][j] = 0.0f;
  for (int ch = 0; ch < a.d; ch += TD) {
    float v[4];
    __syncthreads();
    if (t < 64) { // a query has 4 threads
      int r = t & 15, from = (t >> 4) * 4;
      load4(v, q + (u64)(q0 + r) * a.c, ch + from, a.d, q0 + r < a.t, a.vector);
#pragma unroll
      for (int i = 0; i < 4; i++) tiles.q[from + (BF ? i ^ 1 : i)][r] = operand<BF>(v[i]);
    }
#pragma unroll
    for (int from = 0; from < TD; from += 4) {
      load4(v, k + (u64)(k0 + t) * a.c, ch + from, a.d, k0 + t < last, a.vector);
#pragma unroll
      for (int i = 0; i < 4; i++) tiles.k[from + (BF ? i ^ 1 : i)][t] = operand<BF>(v[i]);
    }
    __syncthreads();
    if (!works) continue;
    int count = a.d - ch < TD ? a.d - ch : TD;
    if (BF) count = (count + 1) & ~1;
#pragma unroll 4
    for (int e = 0; e < count; e++) {
      float4 x = *(float4 *)&tiles.q[e][qi], w = *(float4 *)&tiles.k[e][ki];
      float xs[4] = {x.x, x.y, x.z, x.w}, ws[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
      for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) acc[i][j] = term<BF>(xs[i], ws[j], acc[i][j]);
    }
  }
}

// greater is the greater of two, and a NaN where there is one.
INLINE float greater(float a, float b) { return b > a || b != b ? b : a; }

// Softmax is the running state of one query, the same in its 8 threads.
struct Softmax { float max, sum; };

// weigh turns the scaled scores of one query's block, n of them, into weights in place and returns the factor for what was summed
// before. Of the query's 8 threads this is number i; it sums lanes i and i+8.
template <bool BF> INLINE float weigh(Softmax &m, float *s, int n, int i) {
  float top = -INFINITY32;
  for (int j = i; j < n; j += 8) top = greater(top, s[j]);
#pragma unroll
  for (int half = 4; half; half >>= 1) top = greater(top, shuffle(top, half));
  if (m.max > top) top = m.max;
  float low = 0.0f, high = 0.0f;
  for (int j = i; j < n; j += 16) {
    float p = exp2_(s[j] - top);
    low = low + p;
    s[j] = operand<BF>(p);
    if (j + 8 < n) {
      p = exp2_(s[j + 8] - top);
      high = high + p;
      s[j + 8] = operand<BF>(p);
    }
  }
  low = low + high;
#pragma unroll
  for (int half = 4; half; half >>= 1) low = low + shuffle(low, half);
  float factor = exp2_(m.max - top);
  m.sum = fma32(m.sum, factor, low);
  m.max = top;
  return factor;
}

// values adds the terms of a block's weights, n keys of which lie from v on; pair exchange for bf16. A warp treats 4 queries, a thread one
// channel of each at a time; sums lie in y between blocks.
template <bool BF>
INLINE void values(const Attention &a, float *y, const float *v, float (*s)[BLOCK], const float *factors, const float *sums, int q0, int n,
                   bool first, bool ends) {
  int lane = threadIdx_x & 31, r0 = (threadIdx_x >> 5) * 4;
  if (q0 + r0 >= a.t) return;
  for (int from = 0; from < a.d; from += 32) {
    int ch = from + lane;
    bool there = ch < a.d;
    const float *p = v + (there ? ch : 0);
    float o[4];
#pragma unroll
    for (int r = 0; r < 4; r++) {
      o[r] = 0.0f;
      if (!first && there && q0 + r0 + r < a.t) o[r] = global(y)[(u64)(q0 + r0 + r) * a.c + ch] * factors[r0 + r];
    }
    int j = 0;
    for (; j + 4 <= n; j += 4, p += (u64)4 * a.c) {
      float x[4];
#pragma unroll
      for (int e = 0; e < 4; e++) x[e] = operand<BF>(global(p)[(u64)e * a.c]);
#pragma unroll
      for (int r = 0; r < 4; r++) {
        float4 w = *(float4 *)&s[r0 + r][j];
        float ws[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
        for (int e = 0; e < 4; e++) o[r] = term<BF>(ws[BF ? e ^ 1 : e], x[BF ? e ^ 1 : e], o[r]);
      }
    }
    for (; j < n; j += 2, p += (u64)2 * a.c) {
      float x = operand<BF>(global(p)[0]), x1 = j + 1 < n ? operand<BF>(global(p)[a.c]) : 0.0f;
#pragma unroll
      for (int r = 0; r < 4; r++) {
        if (BF) {
          o[r] = term<BF>(j + 1 < n ? s[r0 + r][j + 1] : 0.0f, x1, o[r]);
          o[r] = term<BF>(s[r0 + r][j], x, o[r]);
        } else {
          o[r] = term<BF>(s[r0 + r][j], x, o[r]);
          if (j + 1 < n) o[r] = term<BF>(s[r0 + r][j + 1], x1, o[r]);
        }
      }
    }
#pragma unroll
    for (int r = 0; r < 4; r++) {
      if (!there || q0 + r0 + r >= a.t) continue;
      global(y)[(u64)(q0 + r0 + r) * a.c + ch] = ends ? o[r] / sums[r0 + r] : o[r];
    }
  }
}

// keep writes scaled scores to a block's rows.
INLINE void keep(float (*acc)[4], float (*s)[BLOCK], float scale, int at) {
  int lane = threadIdx_x & 31, qi = (lane >> 3) * 4, ki = at + (threadIdx_x >> 5) * 32 + (lane & 7) * 4;
#pragma unroll
  for (int i = 0; i < 4; i++) *(float4 *)&s[qi + i][ki] = float4{acc[i][0] * scale, acc[i][1] * scale, acc[i][2] * scale, acc[i][3] * scale};
}

// Grids are queries by heads by batch.
template <bool BF> INLINE void attention(const Attention *job) {
  __shared__ __attribute__((aligned(16))) Tiles tiles;
  __shared__ __attribute__((aligned(16))) float s[TQ][BLOCK];
  __shared__ float factors[TQ], sums[TQ];
  const Attention a = *job;
  int t = threadIdx_x, q0 = blockIdx_x * TQ, head = blockIdx_y * a.d;
  u64 batch = (u64)blockIdx_z * a.t * a.c + head, keys = (u64)blockIdx_z * a.keys_step * a.s * a.c + head;
  int end = a.causal && q0 + TQ < a.s ? q0 + TQ : a.s; // keys that a query of this block sees
  int row = t >> 3;
  Softmax soft = {-INFINITY32, 0.0f};
  for (int k0 = 0; k0 < end; k0 += BLOCK) {
    int n = a.s - k0 < BLOCK ? a.s - k0 : BLOCK;
    int some = end - k0 < n ? end - k0 : n; // keys of the block that any query sees
    for (int at = 0; at < some; at += TK) {
      float acc[4][4];
      scores<BF>(acc, tiles, a, a.q + batch, a.k + keys, q0, k0 + at, k0 + some);
      keep(acc, s, a.scale, at);
    }
    __syncthreads();
    int seen = n;
    if (a.causal) seen = q0 + row + 1 - k0 < n ? q0 + row + 1 - k0 : n;
    float factor = 1.0f;
    if (seen > 0) factor = weigh<BF>(soft, s[row], seen, t & 7);
    for (int j = (seen > 0 ? seen : 0) + (t & 7); j < n; j += 8) s[row][j] = 0.0f;
    if ((t & 7) == 0) factors[row] = factor, sums[row] = soft.sum;
    __syncthreads();
    values<BF>(a, a.y + batch, a.v + keys + (u64)k0 * a.c, s, factors, sums, q0, n, k0 == 0, k0 + BLOCK >= end);
    __syncthreads();
  }
}

KERNEL __launch_bounds__(128) attention_f32(const Attention *job) { attention<false>(job); }
KERNEL __launch_bounds__(128) attention_bf16(const Attention *job) { attention<true>(job); }

// attention_tops finds each query's maximum and the reciprocal of its sum: y is [B,heads,2,t].
template <bool BF> INLINE void tops(const Attention *job) {
  __shared__ __attribute__((aligned(16))) Tiles tiles;
  __shared__ __attribute__((aligned(16))) float s[TQ][BLOCK];
  const Attention a = *job;
  int t = threadIdx_x, q0 = blockIdx_x * TQ, head = blockIdx_y * a.d, row = t >> 3;
  u64 batch = (u64)blockIdx_z * a.t * a.c + head, keys = (u64)blockIdx_z * a.s * a.c + head;
  Softmax soft = {-INFINITY32, 0.0f};
  for (int k0 = 0; k0 < a.s; k0 += BLOCK) {
    int n = a.s - k0 < BLOCK ? a.s - k0 : BLOCK;
    for (int at = 0; at < n; at += TK) {
      float acc[4][4];
      scores<BF>(acc, tiles, a, a.q + batch, a.k + keys, q0, k0 + at, k0 + n);
      keep(acc, s, a.scale, at);
    }
    __syncthreads();
    weigh<false>(soft, s[row], n, t & 7);
    __syncthreads();
  }
  if ((t & 7) || q0 + row >= a.t) return;
  float *y = a.y + ((u64)blockIdx_z * (a.c / a.d) + blockIdx_y) * 2 * a.t + q0 + row;
  y[0] = soft.max;
  y[a.t] = 1.0f / soft.sum;
}

KERNEL __launch_bounds__(128) attention_tops_f32(const Attention *job) { tops<false>(job); }
KERNEL __launch_bounds__(128) attention_tops_bf16(const Attention *job) { tops<true>(job); }

// attention_sums adds up the attention that each key receives, queries ascending: y is [B,heads,s], v what attention_tops has made. Grids
// are stretches of 128 keys by heads by batch.
template <bool BF> INLINE void columns(const Attention *job) {
  __shared__ __attribute__((aligned(16))) Tiles tiles;
  __shared__ __attribute__((aligned(16))) float s[TQ][BLOCK];
  const Attention a = *job;
  int t = threadIdx_x, k0 = blockIdx_x * TK, head = blockIdx_y * a.d;
  u64 batch = (u64)blockIdx_z * a.t * a.c + head, keys = (u64)blockIdx_z * a.s * a.c + head;
  u64 pair = (u64)blockIdx_z * (a.c / a.d) + blockIdx_y;
  const float *top = a.v + pair * 2 * a.t, *share = top + a.t;
  float sum = 0.0f;
  for (int q0 = 0; q0 < a.t; q0 += TQ) {
    float acc[4][4];
    scores<BF>(acc, tiles, a, a.q + batch, a.k + keys, q0, k0, a.s);
    keep(acc, s, a.scale, 0);
    __syncthreads();
    int rows = a.t - q0 < TQ ? a.t - q0 : TQ;
    for (int r = 0; r < rows; r++) sum = sum + exp2_(s[r][t] - global(top)[q0 + r]) * global(share)[q0 + r];
    __syncthreads();
  }
  if (k0 + t < a.s) a.y[pair * a.s + k0 + t] = sum;
}

KERNEL __launch_bounds__(128) attention_sums_f32(const Attention *job) { columns<false>(job); }
KERNEL __launch_bounds__(128) attention_sums_bf16(const Attention *job) { columns<true>(job); }

// attention_average divides the sums over the heads, in order, by their number: sums is [B,heads,s], y [B,s] of n elements.
KERNEL attention_average(float *y, const float *sums, u32 n, u32 s, int heads) {
  u32 i = element();
  if (i >= n) return;
  const float *p = sums + (u64)(i / s) * heads * s + i % s;
  float v = 0.0f;
  for (int h = 0; h < heads; h++) v = v + p[(u64)h * s];
  y[i] = v / (float)heads;
}
