package cuda

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// launch runs a kernel and gives what lies in y afterwards.
func (b *bench) launch(grid driver.Dim, y uint64, size int, args ...any) ([]byte, error) {
	words := make([]uint64, len(args))
	for i, a := range args {
		words[i] = word(a)
	}
	if err := b.d.Launch(b.f, grid, driver.D1(block), 0, nil, words); err != nil {
		return nil, err
	}
	out := make([]byte, size)
	return out, errors.Join(b.d.Synchronize(), b.d.CopyOut(out, driver.Ptr(y), nil))
}

// ramp are n numbers of fp32, none of which is where another is.
func ramp(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(i%97)/64 + float32(i%13)
	}
	return out
}

// multiply32 runs an exact product of 70 rows and 68 sums over 40 channels, more of each by the number that is named.
func multiply32(t *testing.T, kernel string, edit func(string) string, more map[string]int) ([]byte, error) {
	const rows, n, c = 70, 68, 40
	b := newBench(t, "product", kernel, edit)
	y := b.put(make([]float32, rows*n))
	job := productJob{Y: y, Rows: int32(rows + more["rows"]), N: int32(n + more["sums"]), Sums: int32(n + more["sums"]), OH: 1, OW: rows, CountSegments: 1}
	seg := productSegment{X: b.put(ramp(rows * c)), W: b.put(ramp(n * c)), C: int32(c + more["channels"]), CW: c, Type: int32(program.WF32), KH: 1, KW: 1, Stride: 1, H: 1, Wd: rows, Linear: 1, Vector: 3}
	return b.launch(driver.D2(2, 2), y, 4*rows*n, b.put(job, seg))
}

// attend32 runs exact attention of 20 queries and 600 keys, which are two blocks, of one head of 36 channels.
func attend32(t *testing.T, kernel string, edit func(string) string, more map[string]int) ([]byte, error) {
	const n, keys, d = 20, 600, 36
	b := newBench(t, "attention", kernel, edit)
	y := b.put(make([]float32, n*d))
	job := attentionJob{Y: y, Q: b.put(ramp(n * d)), K: b.put(ramp(keys * d)), V: b.put(ramp(keys * d)), T: int32(n + more["queries"]), S: int32(keys + more["keys"]),
		C: d, D: d, Vectorise: 1, Scale: 0.01}
	return b.launch(driver.D1(2), y, 4*n*d, b.put(job))
}

// moments16 takes the moments of 130 pixels of 136 channels.
func moments16(t *testing.T, kernel string, edit func(string) string, more map[string]int) ([]byte, error) {
	const pixels, c, chunks = 130, 136, 3
	b := newBench(t, "norm16", kernel, edit)
	y := b.put(make([]float32, chunks*2*c))
	return b.launch(driver.D2(2, chunks), y, 4*chunks*2*c, y, b.put(ramp(pixels*c)), 0, pixels+more["pixels"], c+more["channels"])
}

// maps16 makes the maps of 4 groups of 8 channels from moments of 4 stretches.
func maps16(t *testing.T, kernel string, edit func(string) string, more map[string]int) ([]byte, error) {
	const groups, c, pixels, chunks = 4, 32, 256, 4
	b := newBench(t, "norm16", kernel, edit)
	y := b.put(make([]float32, 2*c))
	sources := b.put(normSource{Moments: b.put(ramp(chunks * 2 * c)), C: c})
	return b.launch(driver.D1(groups+more["groups"]), y, 4*2*c, y, sources, b.put(ramp(c)), b.put(ramp(c)), groups, c, pixels+more["pixels"], float32(1e-5))
}

// layer16 normalises 7 rows of 132 channels.
func layer16(t *testing.T, kernel string, edit func(string) string, more map[string]int) ([]byte, error) {
	const rows, c = 7, 132
	b := newBench(t, "norm16", kernel, edit)
	y := b.put(make([]float32, rows*c))
	return b.launch(driver.D1(2), y, 4*rows*c, y, b.put(ramp(rows*c)), b.put(ramp(c)), b.put(ramp(c)), rows+more["rows"], c, float32(1e-5), 0)
}

// large16 runs the large tile of the tensor cores' product: 130 rows and 136 sums over 96 channels.
func large16(t *testing.T, kernel string, edit func(string) string, more map[string]int) ([]byte, error) {
	const rows, n, c = 130, 136, 96
	b := newBench(t, "tensor", kernel, edit)
	y := b.put(make([]float32, rows*n))
	job := tensorJob{Y: y, Rows: int32(rows + more["rows"]), N: int32(n + more["sums"]), Sums: int32(n + more["sums"]), OH: 1, OW: rows, Chunks: c / chunkChannels}
	seg := tensorSegment{X: b.put(steps(rows, c, false)), W: b.put(steps(n, c, true)), C: int32(c + more["channels"]), Taps: 1, KW: 1, Stride: 1, H: 1, Wd: rows, Linear: 1}
	return b.launch(driver.D2(2, 2), y, 4*rows*n, b.put(job, seg))
}

// without gives the edits that leave out one barrier of a kernel each.
func without(t *testing.T, file, kernel string) (edits []func(string) string) {
	t.Helper()
	var text string
	newBench(t, file, kernel, func(s string) string { text = s; return s })
	const barrier = "bar.sync \t0;"
	for i := range strings.Count(text, barrier) {
		edits = append(edits, func(s string) string {
			parts := strings.Split(s, barrier)
			return strings.Join(parts[:i+1], barrier) + strings.Join(parts[i+1:], barrier)
		})
	}
	return edits
}

// found says whether a run with a mistake is one that a test sees: a fault, or other bits than want.
func found(out, want []byte, err error) bool { return err != nil || !bytes.Equal(out, want) }

// TestMutations plants a mistake of each class in the kernels that share memory and in what the host tells them: each barrier that is missing, each bound
// that is off by one, a wrong place in shared memory. Each is found. Mistakes of streams and leaks are the executor's: TestUnsynchronisedStreaming, TestLeaks.
func TestMutations(t *testing.T) {
	type run func(t *testing.T, kernel string, edit func(string) string, more map[string]int) ([]byte, error)
	for _, c := range []struct {
		file, kernel string
		run          run
		bounds       []string          // what is one too many
		places       map[string]string // instructions that read or write shared memory, and the same with another place
		needless     int               // so many barriers from the first on could be left out: nothing is found then
	}{
		{"product", "product_f32", multiply32, []string{"rows", "sums"}, map[string]string{"[%rd29+16];": "[%rd29+32];"}, 0},
		{"product", "product_bf16", multiply32, []string{"rows", "sums"}, nil, 0},
		{"attention", "attention_f32", attend32, []string{"queries", "keys"}, nil, 1}, // after a block of keys: the next begins with one
		{"attention", "attention_bf16", attend32, []string{"queries", "keys"}, nil, 1},
		{"tensor", "product_f16_128", large16, []string{"rows", "sums"}, map[string]string{"xor.b32": "or.b32"}, 0},
		{"norm16", "chunk_moments", moments16, []string{"pixels"}, nil, 0},
		{"norm16", "group_maps", maps16, []string{"groups"}, nil, 1}, // before the first sum: the second needs it
		{"norm16", "layer_norm16", layer16, []string{"rows"}, nil, 0},
	} {
		want, err := c.run(t, c.kernel, same16, nil)
		if err != nil {
			t.Errorf("%s without a mistake: %v", c.kernel, err)
			continue
		}
		for i, edit := range without(t, c.file, c.kernel) {
			t.Run(fmt.Sprintf("%s/barrier %d", c.kernel, i), func(t *testing.T) {
				if out, err := c.run(t, c.kernel, edit, nil); found(out, want, err) != (i >= c.needless) {
					t.Errorf("found %v", err)
				}
			})
		}
		for _, bound := range c.bounds {
			t.Run(c.kernel+"/"+bound, func(t *testing.T) {
				_, err := c.run(t, c.kernel, same16, map[string]int{bound: 1})
				var f *vm.Fault
				if !errors.As(err, &f) || f.Kind != vm.OutOfBounds {
					t.Errorf("found %v", err)
				}
			})
		}
		for old, to := range c.places {
			t.Run(c.kernel+"/place", func(t *testing.T) {
				if out, err := c.run(t, c.kernel, replace(t, old, to), nil); !found(out, want, err) {
					t.Error("not found")
				}
			})
		}
	}
}
