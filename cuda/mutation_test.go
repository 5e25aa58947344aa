package cuda

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/kernels"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
)

// one16 is 1 as fp16.
const one16 = 0x3c00

// bench is a device with a kernel, whose operands are allocations of their own, so that every byte beyond them is found.
type bench struct {
	t *testing.T
	d *sim.Device
	f driver.Function
}

func newBench(t *testing.T, file, kernel string, edit func(string) string) *bench {
	t.Helper()
	text, err := kernels.Text(file)
	if err != nil {
		t.Fatal(err)
	}
	from := strings.Index(text, ".entry "+kernel+"(")
	if from < 0 {
		t.Fatalf("%s.ptx has no kernel %s", file, kernel)
	}
	to := from + strings.Index(text[from:], "\n}\n")
	body := edit(text[from:to])
	d := sim.Open(sim.Options{Seed: 3, Workers: 1, Limit: 1 << 20})
	m, err := d.Load(text[:from] + body + text[to:])
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.Function(kernel)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t, d, f}
}

// put allocates what data holds.
func (b *bench) put(data ...any) uint64 {
	b.t.Helper()
	var buf bytes.Buffer
	for _, v := range data {
		if err := binary.Write(&buf, binary.LittleEndian, v); err != nil {
			b.t.Fatal(err)
		}
	}
	p, err := b.d.Alloc(int64(buf.Len()))
	if err == nil {
		err = b.d.CopyIn(p, buf.Bytes(), nil)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return uint64(p)
}

// run launches the kernel and reads n numbers from y; wrong is how many are not want.
func (b *bench) run(grid driver.Dim, job, y uint64, n int, want float32) (wrong int, err error) {
	if err := b.d.Launch(b.f, grid, driver.D1(block), 0, nil, []uint64{job}); err != nil {
		return 0, err
	}
	out := make([]byte, 4*n)
	if err := errors.Join(b.d.Synchronize(), b.d.CopyOut(out, driver.Ptr(y), nil)); err != nil {
		return 0, err
	}
	for i := range n {
		if math.Float32frombits(binary.LittleEndian.Uint32(out[4*i:])) != want {
			wrong++
		}
	}
	return wrong, nil
}

// steps are numbers of fp16 that differ from granule to granule of 8, so that one in another's place is seen: each row has 1, 2, 3, ... times 8.
func steps(rows, c int, inverse bool) []uint16 {
	values := []uint16{0x3c00, 0x4000, 0x4400, 0x4800} // 1, 2, 4, 8
	if inverse {
		values = []uint16{0x3c00, 0x3800, 0x3400, 0x3000} // 1, 1/2, 1/4, 1/8
	}
	out := make([]uint16, rows*c)
	for i := range out {
		out[i] = values[i%c/8%4]
	}
	return out
}

// multiply16 runs the product of 70 rows and 70 sums over 96 channels; change edits its job.
func multiply16(t *testing.T, edit func(string) string, change func(*tensorJob, *tensorSegment)) (int, error) {
	const rows, n, c = 70, 70, 96
	b := newBench(t, "tensor", "product_f16_64", edit)
	y := b.put(make([]float32, rows*n))
	job := tensorJob{Y: y, Rows: rows, N: n, Sums: n, OH: 1, OW: rows, Chunks: c / chunkChannels}
	seg := tensorSegment{X: b.put(steps(rows, c, false)), W: b.put(steps(n, c, true)), C: c, Taps: 1, KW: 1, Stride: 1, H: 1, Wd: rows, Linear: 1}
	change(&job, &seg)
	return b.run(driver.D2(2, 2), b.put(job, seg), y, rows*n, c)
}

// attend16 runs attention of 130 queries and 130 keys of one head of 64 channels, whose values are all 1.
func attend16(t *testing.T, edit func(string) string, change func(*flashJob)) (int, error) {
	const n, d = 130, 64
	b := newBench(t, "flash", "flash_64", edit)
	y := b.put(make([]float32, n*d))
	ones := make([]uint16, n*d)
	for i := range ones {
		ones[i] = one16
	}
	job := flashJob{Y: y, Q: b.put(steps(n, d, false)), First: keySet{K: b.put(steps(n, d, true)), V: b.put(ones), S: n}, T: n, C: d, D: d, Wide: d, Scale: 0.25}
	change(&job)
	return b.run(driver.D1(2), b.put(job), y, n*d, 1)
}

func same16(s string) string { return s }

// replace changes the first occurrence of a text, which must be there.
func replace(t *testing.T, old, to string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			t.Fatalf("the kernel has no %q", old)
		}
		return strings.Replace(s, old, to, 1)
	}
}

// anyWrong stands for results that differ, which is how a mistake without a fault is seen.
const anyWrong vm.FaultKind = 1 << 6

// TestMutations16 plants one mistake of each class in the tensor cores' kernels or in what the host tells them; each is found.
func TestMutations16(t *testing.T) {
	plain, whole := func(*tensorJob, *tensorSegment) {}, func(*flashJob) {}
	product := func(edit func(string) string, change func(*tensorJob, *tensorSegment)) func() (int, error) {
		return func() (int, error) { return multiply16(t, edit, change) }
	}
	flash := func(edit func(string) string, change func(*flashJob)) func() (int, error) {
		return func() (int, error) { return attend16(t, edit, change) }
	}
	for _, c := range []struct {
		name string
		run  func() (int, error)
		kind vm.FaultKind // 0: nothing is found
	}{
		{"product", product(same16, plain), 0},
		{"product, group not waited for", product(replace(t, "cp.async.wait_group 1;", "cp.async.wait_group 2;"), plain), vm.AsyncPending},
		{"product, no wait", product(replace(t, "cp.async.wait_group 1;", ""), plain), vm.AsyncPending},
		{"product, missing barrier", product(replace(t, "bar.sync \t0;", ""), plain), vm.SharedRace},
		{"product, wrong swizzle", product(replace(t, "xor.b32", "or.b32"), plain), anyWrong},
		{"product, a row too many", product(same16, func(j *tensorJob, _ *tensorSegment) { j.Rows++ }), vm.OutOfBounds},
		{"product, a sum too many", product(same16, func(j *tensorJob, _ *tensorSegment) { j.N++ }), vm.OutOfBounds},
		{"product, channels too many", product(same16, func(_ *tensorJob, s *tensorSegment) { s.C += 8 }), vm.OutOfBounds},
		{"product, odd row", product(same16, func(_ *tensorJob, s *tensorSegment) { s.X += 2 }), vm.Misaligned},
		{"attention", flash(same16, whole), 0},
		{"attention, no wait", flash(replace(t, "cp.async.wait_group 0;", ""), whole), vm.AsyncPending},
		{"attention, missing barrier", flash(replace(t, "bar.sync \t0;", ""), whole), vm.Uninitialised},
		{"attention, a key too many", flash(same16, func(j *flashJob) { j.First.S++ }), vm.OutOfBounds},
		{"attention, a query too many", flash(same16, func(j *flashJob) { j.T++ }), vm.OutOfBounds},
		{"attention, keys of another entry", flash(same16, func(j *flashJob) { j.First.K += 128 }), vm.OutOfBounds},
	} {
		t.Run(c.name, func(t *testing.T) {
			wrong, err := c.run()
			var f *vm.Fault
			switch {
			case c.kind == 0:
				if err != nil || wrong != 0 {
					t.Errorf("without a mistake %d results are wrong: %v", wrong, err)
				}
			case c.kind == anyWrong:
				if err == nil && wrong == 0 {
					t.Error("not found")
				}
			case !errors.As(err, &f) || f.Kind != c.kind:
				t.Errorf("found %v, and %d wrong results; want %v", err, wrong, c.kind)
			}
		})
	}
}
