package lora

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
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

// mergedVersion is that of what merging computes: other bits are the next one.
const mergedVersion = 1

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
	part string // under whose name the layer's tensors are in the source
	bias bool
}

// NewSource makes a source of a bundle.
func NewSource(b *weights.Bundle) *Source {
	return &Source{Bundle: b, changes: make(map[string][]change), added: make(map[string]bool)}
}

// merge enters what a layer merges into the weights of a component.
func (s *Source) merge(component, part string, l *applied, f *File) {
	name := component + "/" + l.path
	if l.merged && (l.Method != Difference || l.keys[diff] != "") {
		s.changes[name+".weight"] = append(s.changes[name+".weight"], change{l, f, part, false})
	}
	if l.keys[diffBias] != "" || l.keys[biasUp] != "" {
		s.changes[name+".bias"] = append(s.changes[name+".bias"], change{l, f, part, true})
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

// TypeOf implements [program.TypeSource]: what is merged is fp32.
func (s *Source) TypeOf(name string) (program.WeightType, bool) {
	t, ok := s.Bundle.TypeOf(name)
	if ok && len(s.changes[name]) > 0 {
		return program.WF32, true
	}
	return t, ok
}

// Identity implements [program.ContentSource]. What changes are merged into is known by its parts; LoRAs' own tensors have no
// identity: what is made of them is for this run.
func (s *Source) Identity(name string) (id [32]byte, ok bool) {
	if s.added[name[:strings.IndexByte(name+"/", '/')]] {
		return id, false
	}
	if id, ok = s.Bundle.Identity(name); !ok || len(s.changes[name]) == 0 {
		return id, ok
	}
	h := sha256.New()
	fmt.Fprintf(h, "merged %d\n%x\n", mergedVersion, id)
	for _, c := range s.changes[name] {
		fmt.Fprintf(h, "%s bias %v strength %x scale %x own %x\n", c.Method, c.bias, math.Float64bits(c.strength), math.Float64bits(c.scale),
			math.Float64bits(strength(1, c.alpha, c.divide, c.root)))
		for _, r := range slices.Sorted(maps.Keys(c.keys)) {
			if r == alpha {
				continue
			}
			of, ok := s.Bundle.Identity(c.part + "/" + c.path + "." + string(r))
			if !ok {
				return id, false
			}
			fmt.Fprintf(h, "%s %x\n", r, of)
		}
	}
	return [32]byte(h.Sum(nil)), true
}

// Made implements [program.MadeSource].
func (s *Source) Made(name string) bool { return len(s.changes[name]) > 0 }

// Size implements [program.SizedSource]. What changes are merged into is fp32, made when it is asked for.
func (s *Source) Size(name string) (bytes int64, mapped bool) {
	bytes, mapped = s.Bundle.Size(name)
	if !s.Made(name) {
		return bytes, mapped
	}
	return 4 * int64(program.Elems(s.Bundle.Shape(name))), false
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
