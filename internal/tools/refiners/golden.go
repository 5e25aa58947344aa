package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/parity"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// golden is one of Refiners' results.
type golden struct{ file *weights.File }

func (c *comparison) golden(name string) (*golden, error) {
	f, err := weights.OpenFile(filepath.Join(c.dir, "goldens", name+".safetensors"))
	return &golden{f}, err
}

func (g *golden) close() { _ = g.file.Close() }

// tensor reads fp32; pictures and latents [B,C,H,W] become channels-last.
func (g *golden) tensor(name string) (program.Tensor, error) {
	raw, ok := g.file.Tensor(name)
	if !ok || raw.DType != "F32" {
		return program.Tensor{}, fmt.Errorf("%s: no fp32 tensor %q", g.file.Path(), name)
	}
	t := program.Tensor{Shape: append([]int(nil), raw.Shape...), F: make([]float32, len(raw.Data)/4)}
	for i := range t.F {
		t.F[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw.Data[4*i:]))
	}
	if len(t.Shape) != 4 {
		return t, nil
	}
	b, ch, n := t.Shape[0], t.Shape[1], t.Shape[2]*t.Shape[3]
	last := program.Tensor{Shape: []int{b, t.Shape[2], t.Shape[3], ch}, F: make([]float32, len(t.F))}
	for i := range last.F {
		last.F[i] = t.F[(i/(n*ch)*ch+i%ch)*n+i/ch%n]
	}
	return last, nil
}

// compare adds a row for a tensor of the golden.
func (c *comparison) compare(part string, g *golden, name string, got []float32, bound float64) error {
	want, err := g.tensor(name)
	if err != nil {
		return err
	}
	c.row(part, name, parity.Difference(got, want.F), bound)
	return nil
}
