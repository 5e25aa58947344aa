// Products of class fp16 on tensor cores: linear layers and convolutions, read where they lie (implicit GEMM), in several segments.
//
// A block of 128 threads makes BM rows by BN sums; a warp a quarter of that. The inner dimension goes by in chunks of 32 channels of one tap
// of one segment, which asynchronous copies bring to one of three stages of shared memory while tensor cores work on another. The
// order of the terms is the same whatever the tile and the batch.
#include "tensor.h"

enum { CHUNK = 32, STAGES = 3, PER_ROW = CHUNK / 8 };

// Segment is a stretch of the inner dimension. x is pixels of c channels, w is [sums,taps,c]; c is a multiple of 8. The host writes it.
struct Segment {
  const u16 *x, *w;
  int c, taps, kw, stride, top, left;
  int h, wd;
  int linear; // output row i is made of pixel i
  int pad;
};

// What is fp16 rather than fp32 among a job's operands.
enum { HALF_Y = 1, HALF_RESIDUAL = 2, HALF_BATCH = 4 };

// Job is one product; the host writes it, and the segments behind it.
struct Job {
  void *y;                    // [rows,n]
  const void *residual;       // as y, or null
  const void *batch;          // [B,sums], or null
  const float *const *biases; // count of them
  float *moments;             // [rows/64,2,n], or null: see chunk_moments
  int rows, n, sums;          // sums is n, or 2n with gates
  int oh, ow;
  int count_biases, chunks;
  int gated, act, half;
};

// column is the output that row r of a block's weights belongs to; with gates 8 rows of values and 8 of gates take turns.
template <int BN> INLINE int column(const Job &j, int r) {
  return j.gated ? blockIdx_y * (BN / 2) + (r >> 4) * 8 + (r & 7) : blockIdx_y * BN + r;
}

// swizzle is where granule q (16 bytes) of row r of a tile lies, so that 8 rows of a matrix lie in different banks.
INLINE u32 swizzle(int r, int q) { return r * (CHUNK * 2) + ((q ^ ((r >> 1) & 3)) << 4); }

// Loader brings chunks to shared memory, one after the other. A thread copies granule q of rows r, r+32, ...
template <int BM, int BN> struct Loader {
  enum { RA = BM / 32, RB = BN / 32 };
  const Segment *segment;
  const u16 *x, *w;
  int c, taps, tap, ch;
  int rows[RA];     // of this thread, or -1
  u32 from[RA];     // where their pixels of the tap begin; none for the border
  u32 weights, skip; // where this thread's first row of weights begins, and how far the next is
  int q, to;
  u32 there;        // bit i: row i of the weights exists

  INLINE void begin(const Job &j, const Segment *first) {
    int t = threadIdx_x;
    q = t & 3;
    to = swizzle(t >> 2, q);
    there = 0;
#pragma unroll
    for (int i = 0; i < RA; i++) {
      int row = blockIdx_x * BM + (t >> 2) + 32 * i;
      rows[i] = row < j.rows ? row : -1;
    }
#pragma unroll
    for (int i = 0; i < RB; i++) there |= (u32)(column<BN>(j, (t >> 2) + 32 * i) < j.n) << i;
    segment = first;
    open(j);
  }

  // open begins a segment.
  INLINE void open(const Job &j) {
    x = segment->x, w = segment->w, c = segment->c, taps = segment->taps, tap = 0, ch = 0;
    int r = threadIdx_x >> 2, sum = column<BN>(j, r) + (j.gated && (r & 8) ? j.n : 0);
    weights = (u32)sum * (u32)(taps * c);
    skip = (j.gated ? 16u : 32u) * (u32)(taps * c);
    aim(j);
  }

  // aim finds the pixels of a tap.
  INLINE void aim(const Job &j) {
    const Segment &s = *segment;
    if (s.linear) {
#pragma unroll
      for (int i = 0; i < RA; i++) from[i] = rows[i] < 0 ? NOWHERE : (u32)rows[i] * (u32)c;
      return;
    }
    int dy = tap / s.kw, dx = tap - dy * s.kw;
#pragma unroll
    for (int i = 0; i < RA; i++) {
      int ox = rows[i] % j.ow, rest = rows[i] / j.ow, oy = rest % j.oh, entry = rest / j.oh;
      int iy = oy * s.stride - s.top + dy, ix = ox * s.stride - s.left + dx;
      bool inside = rows[i] >= 0 && (u32)iy < (u32)s.h && (u32)ix < (u32)s.wd;
      from[i] = inside ? (u32)((entry * s.h + iy) * s.wd + ix) * (u32)c : NOWHERE;
    }
  }

  // load copies this chunk to a stage and goes on to the next.
  INLINE void load(const Job &j, u32 stage) {
    int at = ch + q * 8;
    bool inside = at < c;
#pragma unroll
    for (int i = 0; i < RA; i++) {
      bool some = inside && from[i] != NOWHERE;
      copy16(stage + to + i * 32 * CHUNK * 2, x + (some ? from[i] + at : 0), some ? 16 : 0);
    }
    u32 row = weights + (u32)(tap * c + at);
#pragma unroll
    for (int i = 0; i < RB; i++) {
      bool some = inside && (there >> i & 1);
      copy16(stage + (BM + i * 32) * CHUNK * 2 + to, w + (some ? row + i * skip : 0), some ? 16 : 0);
    }
    ch += CHUNK;
    if (ch < c) return;
    ch = 0;
    if (++tap < taps) {
      aim(j);
    } else {
      segment++;
      tap = 0;
    }
  }
  enum : u32 { NOWHERE = 0xffffffff };
};

// work adds the terms of a chunk to a warp's sums.
template <int BM, int MT, int NT> INLINE void work(float (*acc)[NT][4], u32 stage, int wm, int wn) {
  int lane = threadIdx_x & 31;
#pragma unroll
  for (int k = 0; k < CHUNK / 16; k++) {
    u32 a[MT][4], b[NT / 2][4];
#pragma unroll
    for (int i = 0; i < MT; i++) load_matrices(a[i], stage + swizzle(wm + i * 16 + (lane & 15), k * 2 + (lane >> 4)));
#pragma unroll
    for (int i = 0; i < NT / 2; i++)
      load_matrices(b[i], stage + BM * CHUNK * 2 + swizzle(wn + i * 16 + (lane & 7) + ((lane >> 4) << 3), k * 2 + ((lane >> 3) & 1)));
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
      for (int n = 0; n < NT; n++) multiply(acc[i][n], a[i], &b[n >> 1][(n & 1) * 2]);
  }
}

// Finisher applies the epilogue to four outputs of a row at a time, always the same four.
struct Finisher {
  const Job &j;
  int n;     // the first output
  bool wide; // all four are there, and aligned
  float bias[4], gate[4];

  INLINE Finisher(const Job &job, int first) : j(job), n(first) {
    wide = (j.n & 3) == 0 && n < j.n;
#pragma unroll
    for (int e = 0; e < 4; e++) {
      bias[e] = gate[e] = 0.0f;
      if (n + e >= j.n) continue;
      for (int k = 0; k < j.count_biases; k++) {
        const float *b = global(j.biases)[k];
        bias[e] = bias[e] + global(b)[n + e];
        if (j.gated) gate[e] = gate[e] + global(b)[j.n + n + e];
      }
    }
  }

  // row finishes the sums v, with their gates g, of an output row.
  INLINE void row(int row, float4 sums, float4 gates, float *v) {
    v[0] = sums.x + bias[0], v[1] = sums.y + bias[1], v[2] = sums.z + bias[2], v[3] = sums.w + bias[3];
    float g[4] = {gates.x + gate[0], gates.y + gate[1], gates.z + gate[2], gates.w + gate[3]};
    u64 at = (u64)row * j.n + n;
    if (j.batch) {
      u64 entry = (u64)(row / (j.oh * j.ow)) * j.sums + n;
#pragma unroll
      for (int e = 0; e < 4; e++) {
        if (n + e >= j.n) continue;
        v[e] = v[e] + read(j.batch, j.half & HALF_BATCH, entry + e);
        if (j.gated) g[e] = g[e] + read(j.batch, j.half & HALF_BATCH, entry + j.n + e);
      }
    }
    if (j.gated) {
#pragma unroll
      for (int e = 0; e < 4; e++) v[e] = v[e] * gelu(g[e]);
    }
    if (j.act) {
#pragma unroll
      for (int e = 0; e < 4; e++) v[e] = activation(j.act, v[e]);
    }
    if (wide) {
      if (j.residual) {
        float4 r = read4(j.residual, j.half & HALF_RESIDUAL, at);
        v[0] = v[0] + r.x, v[1] = v[1] + r.y, v[2] = v[2] + r.z, v[3] = v[3] + r.w;
      }
      write4(j.y, j.half & HALF_Y, at, float4{v[0], v[1], v[2], v[3]});
      return;
    }
#pragma unroll
    for (int e = 0; e < 4; e++) {
      if (n + e >= j.n) continue;
      if (j.residual) v[e] = v[e] + read(j.residual, j.half & HALF_RESIDUAL, at + e);
      write(j.y, j.half & HALF_Y, at + e, v[e]);
    }
  }
};

// Sums gathers moments of four channels over rows: around the first row's values, so that large means cost no digits.
struct Sums {
  float shift[4], first[4], second[4];

  INLINE void add(const float *v, bool begin) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      if (begin) shift[e] = v[e], first[e] = second[e] = 0.0f;
      float d = v[e] - shift[e];
      first[e] = first[e] + d;
      second[e] = fma32(d, d, second[e]);
    }
  }

  // finish gives mean and sum of squared differences of 64 rows, of which this lane had half and the lane 16 away the others.
  INLINE void finish(float *mean, float *m2) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      float own = shift[e] + first[e] * (1.0f / 32), squares = second[e] - first[e] * first[e] * (1.0f / 32);
      float other = shuffle(own, 16), d = other - own;
      mean[e] = 0.5f * (own + other);
      m2[e] = (squares + shuffle(squares, 16)) + d * d * 16.0f;
    }
  }
};

// store finishes a warp's sums, 32 rows at a time, which it lays into its own stretch of shared memory to read them by rows.
template <int MT, int NT> INLINE void store(const Job &j, float (*acc)[NT][4], float *tile, int row0, int block_column) {
  enum { PITCH = NT * 8 + 8, LANES = NT * 2 }; // lanes of a row
  int lane = threadIdx_x & 31, g = lane >> 2, t = (lane & 3) * 2;
  int lanes = j.gated ? LANES / 2 : LANES, c = (lane & (lanes - 1)) * 4;
  Finisher f(j, block_column + c);
  int at = j.gated ? (c >> 3) * 16 + (c & 7) : c;
  Sums sums;
#pragma unroll
  for (int h = 0; h < MT; h += 2) {
    sync_warp();
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
      for (int n = 0; n < NT; n++) {
        *(float2 *)&tile[(i * 16 + g) * PITCH + n * 8 + t] = float2{acc[h + i][n][0], acc[h + i][n][1]};
        *(float2 *)&tile[(i * 16 + 8 + g) * PITCH + n * 8 + t] = float2{acc[h + i][n][2], acc[h + i][n][3]};
      }
    sync_warp();
    for (int r = lane / lanes; r < 32; r += 32 / lanes) {
      int row = row0 + h * 16 + r;
      if (row >= j.rows || f.n >= j.n) continue;
      float4 s = *(float4 *)&tile[r * PITCH + at], gates = s;
      if (j.gated) gates = *(float4 *)&tile[r * PITCH + at + 8];
      float v[4];
      f.row(row, s, gates, v);
      if (MT == 4 && j.moments) sums.add(v, h == 0 && r < 2);
    }
  }
  if (MT == 4 && j.moments && row0 < j.rows) {
    float mean[4], m2[4];
    sums.finish(mean, m2);
    if (lane < 16 && f.n < j.n) {
      float *p = j.moments + (u64)(row0 >> 6) * 2 * j.n + f.n;
      *(GLOBAL float4 *)p = float4{mean[0], mean[1], mean[2], mean[3]};
      *(GLOBAL float4 *)(p + j.n) = float4{m2[0], m2[1], m2[2], m2[3]};
    }
  }
}

template <int BM, int BN> INLINE void product(const Job *job) {
  enum { STAGE = (BM + BN) * CHUNK * 2, MT = BM / 32, NT = BN / 16 };
  __shared__ __attribute__((aligned(128))) u8 memory[STAGES * STAGE];
  const Job j = *job;
  int warp = threadIdx_x >> 5, wm = (warp & 1) * (BM / 2), wn = (warp >> 1) * (BN / 2);
  int row0 = blockIdx_x * BM + wm;
  bool works = row0 < j.rows && column<BN>(j, wn) < j.n;
  float acc[MT][NT][4];
#pragma unroll
  for (int i = 0; i < MT; i++)
#pragma unroll
    for (int n = 0; n < NT; n++) acc[i][n][0] = acc[i][n][1] = acc[i][n][2] = acc[i][n][3] = 0.0f;

  u32 base = shared_address(memory), in = base, out = base; // the stages to load and to read next
  const u32 end = base + STAGES * STAGE;
  Loader<BM, BN> loader;
  loader.begin(j, (const Segment *)(job + 1));
  int left = j.chunks; // to load
#pragma unroll
  for (int i = 0; i < STAGES - 1; i++) {
    if (left-- > 0) {
      if (i && loader.tap == 0 && loader.ch == 0) loader.open(j);
      loader.load(j, in);
    }
    commit();
    in += STAGE;
  }
  for (int k = 0; k < j.chunks; k++) {
    wait<STAGES - 2>();
    __syncthreads();
    if (left-- > 0) {
      if (loader.tap == 0 && loader.ch == 0) loader.open(j);
      loader.load(j, in);
    }
    commit();
    in = in + STAGE == end ? base : in + STAGE;
    if (works) work<BM, MT, NT>(acc, out, wm, wn);
    out = out + STAGE == end ? base : out + STAGE;
  }
  __syncthreads();
  if (works) store<MT, NT>(j, acc, (float *)memory + warp * 32 * (NT * 8 + 8), row0, column<BN>(j, wn));
}

KERNEL __launch_bounds__(128) product_f16_128(const Job *j) { product<128, 128>(j); }
KERNEL __launch_bounds__(128) product_f16_64(const Job *j) { product<64, 64>(j); }
