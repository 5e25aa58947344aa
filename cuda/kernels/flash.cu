// Attention of class fp16 on tensor cores, without a stored map (Dao, 2023): a block of 128 threads treats 64*MT queries of one head, a warp
// 16*MT, and goes through the keys KEYS at a time, in order. Heads of up to DP channels. A second set of keys (an image prompt), of at most
// KEYS, is a softmax of its own in the same pass: y = o1 + weight*o2.
#include "tensor.h"

// Keys are a set of keys and values: rows of heads*dp channels, s of them an entry.
struct Keys {
  const u16 *k, *v;
  int s, step; // step: batch entries of keys from one of queries to the next, 0 or 1
};

// Flash is one attention; the host writes it. q has rows of heads*dp channels, y of c = heads*d; dp is d up to a multiple of 8.
struct Flash {
  void *y;
  const u16 *q;
  Keys first, second; // second.s is 0 where there is none
  int t, c, d, dp;
  int causal, half; // half: y is fp16
  float scale, weight;
};

#define MINUS as_float(0xff800000)

// exp2a is 2^x by the special function unit; of -inf it is 0.
INLINE float exp2a(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

INLINE float most(float a, float b) { return b > a || b != b ? b : a; }

// place is where granule q (16 bytes) of row r of DP channels lies, so that 8 rows of a matrix lie in different banks.
template <int DP> INLINE u32 place(int r, int q) { return r * (DP * 2) + ((q ^ (r & 7)) << 4); }

// load copies rows from row first on, of which there are limit, to shared memory; zeros where there is none.
template <int DP, int ROWS> INLINE void load(u32 to, const u16 *p, int first, int limit, int pitch, int dp) {
  enum { GRANULES = DP / 8 };
  int q = threadIdx_x % GRANULES, r = threadIdx_x / GRANULES;
  u32 from = (u32)(first + r) * (u32)pitch + q * 8;
#pragma unroll
  for (int i = 0; i < ROWS * GRANULES / 128; i++, r += 128 / GRANULES, from += (u32)pitch * (128 / GRANULES)) {
    bool some = first + r < limit && q * 8 < dp;
    copy16(to + place<DP>(r, q), p + (some ? from : 0), some ? 16 : 0);
  }
}

template <int DP, int KEYS, int MT> struct Attend {
  enum { KT = KEYS / 8, DT = DP / 8, STAGE = KEYS * DP * 4, QUERIES = 64 * MT };
  u32 q[MT][DP / 16][4];
  float o[MT][DT][4], s[MT][KT][4];
  float max[MT][2], sum[MT][2]; // of rows lane/4 and 8 below

  // queries reads the warp's queries from shared memory.
  INLINE void queries(u32 from, int warp) {
    int lane = threadIdx_x & 31;
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
      for (int k = 0; k < DP / 16; k++) load_matrices(q[i][k], from + place<DP>((warp * MT + i) * 16 + (lane & 15), k * 2 + (lane >> 4)));
  }

  // scores makes the dot products with the keys of a stage; those from last on, and with causal those behind a query, are minus infinity.
  INLINE void scores(u32 stage, int k0, int last, int row0, bool causal) {
    int lane = threadIdx_x & 31;
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
      for (int n = 0; n < KT; n++) s[i][n][0] = s[i][n][1] = s[i][n][2] = s[i][n][3] = 0.0f;
#pragma unroll
    for (int k = 0; k < DP / 16; k++)
#pragma unroll
      for (int n = 0; n < KT / 2; n++) {
        u32 b[4];
        load_matrices(b, stage + place<DP>(n * 16 + (lane & 7) + ((lane >> 4) << 3), k * 2 + ((lane >> 3) & 1)));
#pragma unroll
        for (int i = 0; i < MT; i++) multiply(s[i][2 * n], q[i][k], b), multiply(s[i][2 * n + 1], q[i][k], b + 2);
      }
    if (k0 + KEYS <= last && !(causal && k0 + KEYS > row0)) return;
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
      for (int n = 0; n < KT; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
          int key = k0 + n * 8 + (lane & 3) * 2 + (e & 1), row = row0 + i * 16 + (lane >> 2) + (e >> 1) * 8;
          if (key >= last || (causal && key > row)) s[i][n][e] = MINUS;
        }
  }

  // greatest is the greatest score of a row, and of top.
  INLINE float greatest(int i, int h, float top) {
#pragma unroll
    for (int n = 0; n < KT; n++) top = most(top, most(s[i][n][2 * h], s[i][n][2 * h + 1]));
    top = most(top, shuffle(top, 1));
    return most(top, shuffle(top, 2));
  }

  // weigh turns scores into weights relative to the greatest so far, and scales what was summed before.
  INLINE void weigh(float scale) {
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        float top = greatest(i, h, max[i][h]);
        float factor = exp2a((max[i][h] - top) * scale), off = top * scale, add = 0.0f;
#pragma unroll
        for (int n = 0; n < KT; n++)
#pragma unroll
          for (int e = 2 * h; e < 2 * h + 2; e++) {
            s[i][n][e] = exp2a(fma32(s[i][n][e], scale, -off));
            add = add + s[i][n][e];
          }
        sum[i][h] = fma32(sum[i][h], factor, add);
        max[i][h] = top;
#pragma unroll
        for (int n = 0; n < DT; n++) o[i][n][2 * h] = o[i][n][2 * h] * factor, o[i][n][2 * h + 1] = o[i][n][2 * h + 1] * factor;
      }
  }

  // values adds the weighted values of a stage.
  INLINE void values(u32 stage) {
    int lane = threadIdx_x & 31;
#pragma unroll
    for (int k = 0; k < KEYS / 16; k++) {
      u32 p[MT][4];
#pragma unroll
      for (int i = 0; i < MT; i++)
#pragma unroll
        for (int e = 0; e < 4; e++) p[i][e] = pack(s[i][2 * k + (e >> 1)][(e & 1) * 2], s[i][2 * k + (e >> 1)][(e & 1) * 2 + 1]);
#pragma unroll
      for (int n = 0; n < DT / 2; n++) {
        u32 b[4];
        load_transposed(b, stage + KEYS * DP * 2 + place<DP>(k * 16 + (lane & 15), n * 2 + (lane >> 4)));
#pragma unroll
        for (int i = 0; i < MT; i++) multiply(o[i][2 * n], p[i], b), multiply(o[i][2 * n + 1], p[i], b + 2);
      }
    }
  }

  // divide makes means of what the keys so far have given.
  INLINE void divide() {
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        float share = 1.0f / total(sum[i][h]);
#pragma unroll
        for (int n = 0; n < DT; n++) o[i][n][2 * h] = o[i][n][2 * h] * share, o[i][n][2 * h + 1] = o[i][n][2 * h + 1] * share;
      }
  }

  // alone turns scores into weights that add up to weight.
  INLINE void alone(float scale, float weight) {
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
      for (int h = 0; h < 2; h++) {
        float top = greatest(i, h, MINUS), off = top * scale, add = 0.0f;
#pragma unroll
        for (int n = 0; n < KT; n++)
#pragma unroll
          for (int e = 2 * h; e < 2 * h + 2; e++) {
            s[i][n][e] = exp2a(fma32(s[i][n][e], scale, -off));
            add = add + s[i][n][e];
          }
        float share = weight / total(add);
#pragma unroll
        for (int n = 0; n < KT; n++) s[i][n][2 * h] = s[i][n][2 * h] * share, s[i][n][2 * h + 1] = s[i][n][2 * h + 1] * share;
      }
  }

  INLINE void begin() {
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
      for (int h = 0; h < 2; h++) max[i][h] = MINUS, sum[i][h] = 0.0f;
  }

  // total adds up what the four threads of a row have.
  INLINE float total(float v) {
    v = v + shuffle(v, 1);
    return v + shuffle(v, 2);
  }
};

// Grids are queries by heads by batch.
template <int DP, int KEYS, int MT> INLINE void flash(const Flash *job) {
  typedef Attend<DP, KEYS, MT> A;
  __shared__ __attribute__((aligned(128))) u8 memory[2 * A::STAGE];
  const Flash j = *job;
  int warp = threadIdx_x >> 5, lane = threadIdx_x & 31, head = blockIdx_y, entry = blockIdx_z;
  int q0 = blockIdx_x * A::QUERIES, row0 = q0 + warp * 16 * MT, pitch = (j.c / j.d) * j.dp;
  u32 base = shared_address(memory);
  bool works = row0 < j.t;
  int last = j.causal && q0 + A::QUERIES < j.first.s ? q0 + A::QUERIES : j.first.s;
  int tiles = (last + KEYS - 1) / KEYS, all = tiles + (j.second.s ? 1 : 0);
  load<DP, A::QUERIES>(base + A::STAGE, j.q + (u64)entry * j.t * pitch + head * j.dp, q0, j.t, pitch, j.dp);
  commit();
  A a;
  a.begin();
#pragma unroll
  for (int i = 0; i < MT; i++)
#pragma unroll
    for (int n = 0; n < A::DT; n++) a.o[i][n][0] = a.o[i][n][1] = a.o[i][n][2] = a.o[i][n][3] = 0.0f;
  for (int k = -1; k < all; k++) {
    // Chunk k has arrived and chunk k+1 is on its way; the queries come before chunk 0.
    wait<0>();
    __syncthreads();
    if (k < 0) {
      a.queries(base + A::STAGE, warp);
      __syncthreads();
    }
    if (k + 1 < all) {
      bool second = k + 1 == tiles;
      const u16 *kp = second ? j.second.k : j.first.k, *vp = second ? j.second.v : j.first.v;
      int s = second ? j.second.s : j.first.s, first = second ? 0 : (k + 1) * KEYS;
      u64 from = (u64)(entry * (second ? j.second.step : j.first.step)) * s * pitch + head * j.dp;
      u32 stage = base + ((k + 1) & 1) * A::STAGE;
      load<DP, KEYS>(stage, kp + from, first, s, pitch, j.dp);
      load<DP, KEYS>(stage + KEYS * DP * 2, vp + from, first, s, pitch, j.dp);
      commit();
    }
    if (k < 0 || !works) continue;
    u32 stage = base + (k & 1) * A::STAGE;
    bool second = k == tiles;
    if (second) a.divide();
    a.scores(stage, second ? 0 : k * KEYS, second ? j.second.s : j.first.s, row0, !second && j.causal);
    if (second) a.alone(j.scale, j.weight);
    else a.weigh(j.scale);
    a.values(stage);
  }
  if (!works) return;
#pragma unroll
  for (int i = 0; i < MT; i++)
#pragma unroll
    for (int h = 0; h < 2; h++) {
      int row = row0 + i * 16 + h * 8 + (lane >> 2);
      float share = j.second.s ? 1.0f : 1.0f / a.total(a.sum[i][h]);
      if (row >= j.t) continue;
      u64 at = ((u64)entry * j.t + row) * j.c + head * j.d;
#pragma unroll
      for (int n = 0; n < A::DT; n++) {
        int ch = n * 8 + (lane & 3) * 2;
        float x = a.o[i][n][2 * h] * share, y = a.o[i][n][2 * h + 1] * share;
        if (j.half && !(j.d & 1) && ch < j.d) {
          *(GLOBAL u32 *)((u16 *)j.y + at + ch) = pack(x, y);
        } else {
          if (ch < j.d) write(j.y, j.half, at + ch, x);
          if (ch + 1 < j.d) write(j.y, j.half, at + ch + 1, y);
        }
      }
    }
}

KERNEL __launch_bounds__(128) flash_64(const Flash *job) { flash<64, 64, 2>(job); }
KERNEL __launch_bounds__(128) flash_128(const Flash *job) { flash<128, 32, 1>(job); }
