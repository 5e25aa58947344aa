package bench

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Synthetic is a source of made-up fp16 weights for programs: the same at every start. Matrices are stretches of a
// few shared blocks of random numbers, so that a model of 5 GB takes some 300 MB. Their size falls with the number of terms of a
// sum, so that values stay ordinary numbers; gains are 1 and biases 0.
type Synthetic struct {
	shapes map[string][]int
	blocks map[int][]byte // by exponent
	ones   []byte
	zeros  []byte
}

// slack is how far apart tensors may begin in a block.
const slack = 1 << 20

// NewSynthetic makes the weights that programs read.
func NewSynthetic(programs ...*program.Program) *Synthetic {
	s := &Synthetic{shapes: make(map[string][]int), blocks: make(map[int][]byte)}
	longest, vector := make(map[int]int), 0
	for _, p := range programs {
		for _, w := range p.Weights() {
			s.shapes[w.Name] = w.Shape
			n := 2 * program.Elems(w.Shape)
			if len(w.Shape) < 2 {
				vector = max(vector, n)
				continue
			}
			e := exponent(w.Shape)
			longest[e] = max(longest[e], n)
		}
	}
	for e, n := range longest {
		s.blocks[e] = randomHalves(n+slack, e)
	}
	s.ones, s.zeros = make([]byte, vector), make([]byte, vector)
	for i := 1; i < vector; i += 2 {
		s.ones[i] = 0x3c // 1 as fp16 is 0x3c00
	}
	return s
}

// exponent is e so that numbers of magnitude 2^-e to 2^(1-e) keep the size of a sum of as many terms as the shape [N,C,...] has.
func exponent(shape []int) int {
	terms, e := program.Elems(shape[1:]), 1
	for e < 12 && 1<<(2*e) < 2*terms {
		e++
	}
	return e
}

// randomHalves gives n bytes of fp16 numbers with random signs and fractions and one exponent.
func randomHalves(n, e int) []byte {
	b := make([]byte, (n+7)&^7)
	state := uint64(0x9e3779b97f4a7c15) + uint64(e)
	field := uint64(15-e) << 10 * 0x0001000100010001
	for i := 0; i < len(b); i += 8 { // xorshift64 (Marsaglia, 2003)
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		binary.LittleEndian.PutUint64(b[i:], state&0x83ff83ff83ff83ff|field)
	}
	return b
}

// Weight implements [program.WeightSource].
func (s *Synthetic) Weight(name string) (program.WeightData, error) {
	shape, ok := s.shapes[name]
	if !ok {
		return program.WeightData{}, fmt.Errorf("weight %s: no program that weights were made for reads it", name)
	}
	n := 2 * program.Elems(shape)
	w := program.WeightData{Type: program.WF16, Shape: shape}
	switch {
	case len(shape) >= 2:
		h := fnv.New32a()
		_, _ = h.Write([]byte(name))
		at := int(h.Sum32()) % slack &^ 63
		w.Data = s.blocks[exponent(shape)][at : at+n]
	case strings.HasSuffix(name, "weight"):
		w.Data = s.ones[:n]
	default:
		w.Data = s.zeros[:n]
	}
	return w, nil
}

// Guard implements [program.WeightSource]; nothing is mapped.
func (s *Synthetic) Guard(f func() error) error { return f() }

// Bytes is the memory that the weights take.
func (s *Synthetic) Bytes() int64 {
	n := int64(len(s.ones) + len(s.zeros))
	for _, b := range s.blocks {
		n += int64(len(b))
	}
	return n
}
