// Linear layers and convolutions, to the bits of docs/numerics.md (Products): one chain of fused multiply-adds a result, segments, taps and
// channels ascending. A block of 128 threads makes 64 rows by 64 sums (with gates: 32 values and their 32 gates); a thread makes 8 by
// 4 of them; a warp whose sums all lie outside makes none. Grids are tiles of rows by tiles of sums by planes, which are products of their own.
#include "numeric.h"

enum { BM = 64, BN = 64, BK = 16 };

// Segment is one stretch of the inner dimension; the host writes it (cuda/product.go).
struct Segment {
  const float *x;     // [B,H,W,C]
  const void *w;      // [N,taps,CW], as stored
  int c, cw, wc;      // channels of x and of w; the first channel of w that belongs to x
  int type;           // of w
  int kh, kw, stride, top, left;
  int h, wd;          // of x
  int linear;         // output row i is made of pixel i
  int vector;         // bit 0: x can be read by 16 bytes; bit 1: w too
  int pad;
  u64 plane_x, plane_w; // elements from one plane of a grid to the next
};

// Job is one product; the host writes it, and the segments behind it.
struct Job {
  float *y;                   // [rows,n]
  const float *residual;      // as y, or null
  const float *batch;         // [B,sums], or null
  const float *const *biases; // count of them
  u64 plane;                  // elements of y from one plane to the next
  int rows, n, sums;          // sums is n, or 2n with gates
  int oh, ow;
  int count_biases, count_segments;
  int gated, act;
  int pad;
};

// column is the sum that column q of a block's tile holds; with gates columns go value, value, gate, gate.
INLINE int column(const Job &j, int q) {
  if (!j.gated) return blockIdx_y * BN + q;
  return blockIdx_y * (BN / 2) + (q >> 2) * 2 + (q & 1) + ((q & 2) ? j.n : 0);
}

// exists says whether sum col of a tile's column q is one of the product's.
INLINE bool exists(const Job &j, int q, int col) { return j.gated ? col - ((q & 2) ? j.n : 0) < j.n : col < j.n; }

// store8 writes 8 channels from k on of row or column r of a tile; for bf16 each pair is exchanged, since its odd element comes first.
template <bool BF> INLINE void store8(float (*tile)[BM], int k, int r, const float *v) {
#pragma unroll
  for (int i = 0; i < 8; i++) tile[k + (BF ? i ^ 1 : i)][r] = operand<BF>(v[i]);
}

// load_x reads 8 channels from ch on of a pixel; zeros beyond the last, and on the border, where p is null.
INLINE void load_x(float *v, const float *p, int ch, int c, bool vector) {
  if (vector) {
    if (p && ch < c) {
      float4 a = *(GLOBAL const float4 *)(p + ch), b = *(GLOBAL const float4 *)(p + ch + 4);
      v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
    } else {
#pragma unroll
      for (int i = 0; i < 8; i++) v[i] = 0.0f;
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; i++) v[i] = p && ch + i < c ? global(p)[ch + i] : 0.0f;
}

// load_w reads 8 channels from ch on of a weight's row that begins at element at; zeros beyond the last of c and where the row is none.
INLINE void load_w(float *v, const Segment &s, u64 at, int ch, bool row) {
  if (s.vector & 2) {
    if (!row || ch >= s.c) {
#pragma unroll
      for (int i = 0; i < 8; i++) v[i] = 0.0f;
    } else if (s.type == W_F32) {
      const float *p = (const float *)s.w + at + ch;
      float4 a = *(GLOBAL const float4 *)p, b = *(GLOBAL const float4 *)(p + 4);
      v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
    } else {
      uint4 a = *(GLOBAL const uint4 *)((const u16 *)s.w + at + ch);
      u32 h[4] = {a.x, a.y, a.z, a.w};
      if (s.type == W_F16) {
#pragma unroll
        for (int i = 0; i < 4; i++) v[2 * i] = from_f16((u16)h[i]), v[2 * i + 1] = from_f16((u16)(h[i] >> 16));
      } else {
#pragma unroll
        for (int i = 0; i < 4; i++) v[2 * i] = as_float(h[i] << 16), v[2 * i + 1] = as_float(h[i] & 0xffff0000);
      }
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; i++) v[i] = row && ch + i < s.c ? weight(s.w, s.type, at + ch + i) : 0.0f;
}

// begin writes where the accumulators of a tile begin: at the biases, then the batch entry's.
INLINE void begin(const Job &j, float (*tile)[BN], int row0) {
  int q = threadIdx_x & (BN - 1), col = column(j, q);
  float v = 0.0f;
  bool there = exists(j, q, col);
  for (int k = 0; there && k < j.count_biases; k++) {
    float b = global(global(j.biases)[k])[col];
    v = k ? v + b : b;
  }
  for (int r = threadIdx_x / BN; r < BM; r += 128 / BN) {
    float a = v;
    if (j.batch && there && row0 + r < j.rows) {
      float b = global(j.batch)[(u64)((row0 + r) / (j.oh * j.ow)) * j.sums + col];
      a = j.count_biases ? v + b : b;
    }
    tile[r][q] = a;
  }
}

// step adds the terms of element k of the tiles.
template <bool BF> INLINE void step(float (*acc)[4], float (*as)[BM], float (*bs)[BN], int k, int r0, int c0) {
  float4 lo = *(float4 *)&as[k][r0], hi = *(float4 *)&as[k][r0 + 4], b = *(float4 *)&bs[k][c0];
  float a[8] = {lo.x, lo.y, lo.z, lo.w, hi.x, hi.y, hi.z, hi.w}, w[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
  for (int i = 0; i < 8; i++)
#pragma unroll
    for (int q = 0; q < 4; q++) acc[i][q] = term<BF>(a[i], w[q], acc[i][q]);
}

// finish applies the epilogue to the sums of a tile and stores them.
INLINE void finish(const Job &j, float (*tile)[BN], int row0) {
  int t = threadIdx_x, wide = j.gated ? BN / 2 : BN;
  int c = t & (wide - 1), n = blockIdx_y * wide + c, skip = 128 / wide;
  int q = j.gated ? (c >> 1) * 4 + (c & 1) : c;
  if (n >= j.n) return;
  int last = j.rows - row0 < BM ? j.rows - row0 : BM;
  u64 at = (u64)(row0 + t / wide) * j.n + n;
  for (int r = t / wide; r < last; r += skip, at += (u64)skip * j.n) {
    float v = tile[r][q];
    if (j.gated) v = v * gelu(tile[r][q + 2]);
    if (j.act) v = activation(j.act, v);
    if (j.residual) v = v + global(j.residual)[at];
    global(j.y)[at] = v;
  }
}

template <bool BF> INLINE void product(const Job *job) {
  Job j = *job;
  j.y += blockIdx_z * j.plane;
  __shared__ __attribute__((aligned(16))) float as[BK][BM], bs[BK][BN];
  __shared__ __attribute__((aligned(16))) float tile[BM][BN];
  int t = threadIdx_x, lane = t & 31, warp = t >> 5;
  int row0 = blockIdx_x * BM;
  int r0 = (warp >> 1) * 32 + (lane >> 3) * 8, c0 = (warp & 1) * 32 + (lane & 7) * 4; // of this thread's sums
  int first = column(j, (warp & 1) * 32);
  bool works = row0 + (warp >> 1) * 32 < j.rows && first < j.n;

  begin(j, tile, row0);
  __syncthreads();
  float acc[8][4];
#pragma unroll
  for (int i = 0; i < 8; i++) {
    float4 v = *(float4 *)&tile[r0 + i][c0];
    acc[i][0] = v.x, acc[i][1] = v.y, acc[i][2] = v.z, acc[i][3] = v.w;
  }

  // What this thread loads: 8 channels of a row of x and of a row of w.
  int mine = t & 63, half = (t >> 6) * 8, row = row0 + mine;
  bool inside = row < j.rows;
  int ox = row % j.ow, rest = row / j.ow, oy = rest % j.oh, entry = rest / j.oh;
  int wcol = column(j, mine);
  bool wrow = exists(j, mine, wcol);

  for (int i = 0; i < j.count_segments; i++) {
    Segment s = ((const Segment *)(job + 1))[i];
    s.x += blockIdx_z * s.plane_x;
    u64 plane = blockIdx_z * s.plane_w;
    int taps = s.kh * s.kw;
    for (int tap = 0; tap < taps; tap++) {
      const float *p = 0;
      if (s.linear) {
        if (inside) p = s.x + (u64)row * s.c;
      } else {
        int iy = oy * s.stride - s.top + tap / s.kw, ix = ox * s.stride - s.left + tap % s.kw;
        if (inside && (u32)iy < (u32)s.h && (u32)ix < (u32)s.wd) p = s.x + (((u64)entry * s.h + iy) * s.wd + ix) * s.c;
      }
      u64 at = plane + ((u64)wcol * taps + tap) * s.cw + s.wc;
      for (int ch = 0; ch < s.c; ch += BK) {
        float v[8], w[8];
        load_x(v, p, ch + half, s.c, s.vector & 1);
        load_w(w, s, at, ch + half, wrow);
        __syncthreads();
        store8<BF>(as, half, mine, v);
        store8<BF>(bs, half, mine, w);
        __syncthreads();
        if (!works) continue;
        int count = s.c - ch;
        if (count >= BK) {
#pragma unroll
          for (int k = 0; k < BK; k++) step<BF>(acc, as, bs, k, r0, c0);
        } else {
          if (BF) count = (count + 1) & ~1;
          for (int k = 0; k < count; k++) step<BF>(acc, as, bs, k, r0, c0);
        }
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 8; i++) *(float4 *)&tile[r0 + i][c0] = float4{acc[i][0], acc[i][1], acc[i][2], acc[i][3]};
  __syncthreads();
  finish(j, tile, row0);
}

KERNEL __launch_bounds__(128) product_f32(const Job *j) { product<false>(j); }
KERNEL __launch_bounds__(128) product_bf16(const Job *j) { product<true>(j); }
