package parity

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// golden is one file of tensors that the reference made.
type golden struct {
	file    *weights.File
	strides map[string]int // by block: every n-th channel is kept
}

func openGolden(dir, name string) (*golden, error) {
	f, err := weights.OpenFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	g := &golden{file: f, strides: map[string]int{}}
	if s := f.Metadata()["channel_strides"]; s != "" {
		if err := json.Unmarshal([]byte(s), &g.strides); err != nil {
			return nil, fmt.Errorf("%s: channel_strides: %w", name, err)
		}
	}
	return g, nil
}

// has says whether the file holds a tensor.
func (g *golden) has(name string) bool {
	_, ok := g.file.Tensor(name)
	return ok
}

// number reads a number from the metadata; where there is none it is otherwise.
func (g *golden) number(key string, otherwise float64) (float64, error) {
	text, ok := g.file.Metadata()[key]
	if !ok {
		return otherwise, nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: metadata %s: %w", g.file.Path(), key, err)
	}
	return x, nil
}

// tensor reads fp32 or int32; images [B,C,H,W] become channels-last.
func (g *golden) tensor(name string) (program.Tensor, error) {
	raw, ok := g.file.Tensor(name)
	if !ok {
		return program.Tensor{}, fmt.Errorf("%s: no tensor %q", g.file.Path(), name)
	}
	t := program.Tensor{Shape: append([]int(nil), raw.Shape...)}
	n := program.Elems(t.Shape)
	switch raw.DType {
	case "F32":
		t.F = make([]float32, n)
		for i := range t.F {
			t.F[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw.Data[4*i:]))
		}
	case "I32":
		t.I = make([]int32, n)
		for i := range t.I {
			t.I[i] = int32(binary.LittleEndian.Uint32(raw.Data[4*i:]))
		}
	case "U8":
		t.F = make([]float32, n)
		for i := range t.F {
			t.F[i] = float32(raw.Data[i])
		}
	default:
		return t, fmt.Errorf("%s: tensor %q has element type %s", g.file.Path(), name, raw.DType)
	}
	if len(t.Shape) == 4 && t.F != nil {
		t = channelsLast(t)
	}
	return t, nil
}

// channelsLast turns [B,C,H,W] into [B,H,W,C].
func channelsLast(t program.Tensor) program.Tensor {
	b, c, h, w := t.Shape[0], t.Shape[1], t.Shape[2], t.Shape[3]
	out := program.Tensor{Shape: []int{b, h, w, c}, F: make([]float32, len(t.F))}
	for i := range b {
		for k := range c {
			for p := range h * w {
				out.F[(i*h*w+p)*c+k] = t.F[(i*c+k)*h*w+p]
			}
		}
	}
	return out
}

// thin keeps every n-th entry of the reference's dimension 1: the channels of an image, which are last here, and of
// anything else the second dimension.
func thin(t program.Tensor, n int) []float32 {
	if n <= 1 || len(t.Shape) < 2 {
		return t.F
	}
	size, inner := t.Shape[1], program.Elems(t.Shape[2:])
	if len(t.Shape) == 4 {
		size, inner = t.Shape[3], 1
	}
	var out []float32
	for i := 0; i < len(t.F); i += inner {
		if i/inner%size%n == 0 {
			out = append(out, t.F[i:i+inner]...)
		}
	}
	return out
}

// stride is the number of channels of which one is kept for a tensor; names may carry a
// prefix such as "t981.".
func (g *golden) stride(name string) int { return max(1, g.strides[name]) }

// Difference is max |a-b| / max |b|, the measure of all bounds; infinite where lengths differ or a value is not finite.
func Difference(a, b []float32) float64 {
	if len(a) != len(b) || len(a) == 0 {
		return math.Inf(1)
	}
	var worst, largest float64
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(d) || math.IsInf(d, 0) {
			return math.Inf(1)
		}
		worst, largest = max(worst, d), max(largest, math.Abs(float64(b[i])))
	}
	if largest == 0 {
		if worst == 0 {
			return 0
		}
		return math.Inf(1)
	}
	return worst / largest
}

// capture finds, for each module of the reference, the value that stands for its output: that of
// the last instruction below the module's path.
func capture(p *program.Program, prefix string, modules []string) map[int][]string {
	last := make(map[string]int)
	for i := range p.Instrs {
		scope := p.Instrs[i].Scope
		for _, m := range modules {
			if path := prefix + m; scope == path || strings.HasPrefix(scope, path+".") {
				last[m] = i
			}
		}
	}
	at := make(map[int][]string)
	for _, m := range modules {
		if i, ok := last[m]; ok {
			at[i] = append(at[i], m)
		}
	}
	return at
}
