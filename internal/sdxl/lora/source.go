package lora

import (
	"encoding/binary"
	"math"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// Source gives programs the weights of a model with what LoRAs merge into them. Weights that nothing
// is merged into come from their files as they are.
type Source struct {
	*weights.Bundle
	changes map[string][]change // by the weight's full name
	added   map[string]bool     // parts that are LoRAs'
	garbage atomic.Int64        // bytes that merging left behind since they were last collected
}

// mostGarbage bounds what merging leaves behind. The collector alone would let it grow to the size of all that is merged.
const mostGarbage = 64 << 20

// collect frees what merging a weight of n elements left behind: its value, the changes and the matrices that they are made of.
func (s *Source) collect(n int) {
	if s.garbage.Add(8*4*int64(n)) >= mostGarbage {
		s.garbage.Store(0)
		runtime.GC()
	}
}

// change is what one layer of a LoRA adds to a weight or a bias.
type change struct {
	*applied
	file *File
	bias bool
}

// NewSource makes a source of a bundle.
func NewSource(b *weights.Bundle) *Source {
	return &Source{Bundle: b, changes: make(map[string][]change), added: make(map[string]bool)}
}

// merge enters what a layer merges into the weights of a component.
func (s *Source) merge(component string, l *applied, f *File) {
	name := component + "/" + l.path
	if !l.Method.LowRank() && (l.Method != Difference || l.keys[diff] != "") {
		s.changes[name+".weight"] = append(s.changes[name+".weight"], change{l, f, false})
	}
	if l.keys[diffBias] != "" || l.keys[biasUp] != "" {
		s.changes[name+".bias"] = append(s.changes[name+".bias"], change{l, f, true})
	}
}

// Weight implements [program.WeightSource]. A weight with changes is computed in float64 - its own value, and
// each change made of that value, added in order - and rounded to fp32 once.
func (s *Source) Weight(name string) (program.WeightData, error) {
	w, err := s.Bundle.Weight(name)
	changes := s.changes[name]
	if err != nil || len(changes) == 0 {
		return w, err
	}
	base := make([]float64, program.Elems(w.Shape))
	if err := s.Guard(func() error { widen(base, w); return nil }); err != nil {
		return w, err
	}
	defer s.collect(len(base))
	sum := base
	if len(changes) > 1 {
		sum = append([]float64(nil), base...)
	}
	for _, c := range changes {
		delta, err := c.delta(base, w.Shape)
		if err != nil {
			return w, err
		}
		for i, d := range delta {
			sum[i] += d
		}
	}
	out := make([]byte, 4*len(sum))
	for i, v := range sum {
		rounded := float32(v)
		if math.IsNaN(float64(rounded)) || math.IsInf(float64(rounded), 0) {
			c := changes[len(changes)-1]
			return w, c.file.fail("", "what "+c.name+" makes of "+name+" is no number", "the file is damaged or was saved after a diverged training")
		}
		binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(rounded))
	}
	return program.WeightData{Type: program.WF32, Shape: w.Shape, Data: out}, nil
}

// Identity implements [program.ContentSource]. LoRAs' own tensors and what they are merged into have none: they are for this run.
func (s *Source) Identity(name string) (id [32]byte, ok bool) {
	if len(s.changes[name]) > 0 || s.added[name[:strings.IndexByte(name+"/", '/')]] {
		return id, false
	}
	return s.Bundle.Identity(name)
}

// Drop implements [program.ContentSource].
func (s *Source) Drop(name string) {
	if len(s.changes[name]) == 0 {
		s.Bundle.Drop(name)
	}
}

// widen reads a weight.
func widen(dst []float64, w program.WeightData) {
	dtype := map[program.WeightType]string{program.WF32: "F32", program.WF16: "F16", program.WBF16: "BF16", program.WF64: "F64"}[w.Type]
	for i := range dst {
		dst[i] = element(dtype, w.Data[i*w.Type.Size():])
	}
}
