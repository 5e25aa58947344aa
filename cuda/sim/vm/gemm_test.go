package vm

import (
	"encoding/binary"
	"math"
	"os"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// read gives a file of testdata: PTX that Debian's clang 14 made of a small CUDA C source.
func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// upload makes an allocation that holds 32-bit words.
func upload(mem *Memory, label string, words []uint32) *Region {
	r := mem.Alloc(int64(len(words)*4), label)
	for i, v := range words {
		binary.LittleEndian.PutUint32(r.Data[4*i:], v)
	}
	r.Mark(0, int64(len(words)*4), true)
	return r
}

// gemm is a tensor-core product with cp.async, swizzled shared memory and ldmatrix: C = A B^T + bias.
type gemm struct {
	m, n, k int
	mem     *Memory
	mod     *Module
	launch  *Launch
	a, b    []uint32
	c       *Region
}

func newGEMM(t testing.TB, text string, m, n, k int) *gemm {
	t.Helper()
	g := &gemm{m: m, n: n, k: k, mem: NewMemory()}
	var err error
	if g.mod, err = Compile(text, g.mem); err != nil {
		t.Fatal(err)
	}
	r := random{1}
	half := func() uint32 { return uint32(roundSmall(float64(int64(r.next()%2001)-1000)/1000, 10, 15, "rn")) }
	fillWords := func(n int) []uint32 {
		out := make([]uint32, n)
		for i := range out {
			out[i] = half() | half()<<16
		}
		return out
	}
	g.a, g.b = fillWords(m*k/2), fillWords(n*k/2)
	bias := make([]uint32, n)
	for i := range bias {
		bias[i] = math.Float32bits(float32(i))
	}
	g.c = g.mem.Alloc(int64(2*m*n), "C")
	g.launch = &Launch{Kernel: g.mod.Kernels["gemm_f16"], Grid: [3]int{n / 128, m / 128, 1}, Block: [3]int{256, 1, 1}, Dynamic: 48 << 10,
		Args: []uint64{upload(g.mem, "A", g.a).Base, upload(g.mem, "B", g.b).Base, g.c.Base, upload(g.mem, "bias", bias).Base, uint64(m), uint64(n), uint64(k)}}
	return g
}

func at(words []uint32, i int) float64 {
	return float64(numeric.FromF16(uint16(words[i/2] >> (16 * (i & 1)))))
}

func TestGEMM(t *testing.T) {
	for _, model := range []MMAModel{Ampere, Rounded} {
		g := newGEMM(t, read(t, "gemm.ptx"), 128, 256, 96)
		var count Counters
		if err := Run(g.mem, g.launch, &Config{Checks: Full, MMA: model, Seed: 3}, &count); err != nil {
			t.Fatal(err)
		}
		for row := range g.m {
			for col := range g.n {
				want := float64(col)
				for k := range g.k {
					want += at(g.a, row*g.k+k) * at(g.b, col*g.k+k)
				}
				have := float64(numeric.FromF16(binary.LittleEndian.Uint16(g.c.Data[2*(row*g.n+col):])))
				if math.Abs(have-want) > 1e-3*math.Max(1, math.Abs(want)) {
					t.Fatalf("C[%d,%d] = %g, want %g", row, col, have, want)
				}
			}
		}
		if want := int64(2 * g.m * g.n * g.k); count.TensorFlops != want {
			t.Errorf("%d tensor operations, want %d", count.TensorFlops, want)
		}
		if count.Matrix.Units != count.Matrix.Least {
			t.Errorf("the swizzle leaves bank conflicts: %d wavefronts where %d do", count.Matrix.Units, count.Matrix.Least)
		}
		if want := int64((g.m*2 + g.n) * g.k * 2); count.Async.Bytes != want || count.Async.Units*32 != want {
			t.Errorf("%d bytes in %d sectors copied, want %d bytes", count.Async.Bytes, count.Async.Units, want)
		}
	}
}

func BenchmarkGEMM(b *testing.B) {
	for name, c := range map[string]Config{"full": {Checks: Full}, "quick": {}, "quick rounded": {MMA: Rounded}} {
		b.Run(name, func(b *testing.B) {
			g := newGEMM(b, read(b, "gemm.ptx"), 256, 256, 512)
			var count Counters
			start := time.Now()
			c.Workers = 1
			for b.Loop() {
				if err := Run(g.mem, g.launch, &c, &count); err != nil {
					b.Fatal(err)
				}
			}
			_, lanes := count.Instructions()
			b.ReportMetric(float64(lanes)/time.Since(start).Seconds()/1e6, "Mlanes/s")
			b.ReportMetric(float64(count.TensorFlops)/time.Since(start).Seconds()/1e9, "GFLOPS")
		})
	}
}
