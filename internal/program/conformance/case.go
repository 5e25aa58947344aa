package conformance

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Case is a program with inputs and a bound.
type Case struct {
	Name string
	// Bound is of max |a-b| / max |b| to the reference. It holds for the given inputs.
	Bound float64
	// BF16 is the bound in bf16 where it is another.
	BF16 float64
	// Beyond says that the case has numbers which fp16 does not hold.
	Beyond bool
	build  func(b *program.Builder, n int)
	fill   map[string]number // of inputs and weights by name; normal numbers where there is none
}

// Cases lists all cases.
func Cases() []Case {
	var all []Case
	for _, part := range [][]Case{products(), convolutions(), winograds(), attentions(), norms(), pointwise(), moves(), selfAttention(), normals(), chains()} {
		all = append(all, part...)
	}
	return all
}

// Program builds the case's program for a batch of n entries.
func (c *Case) Program(prec program.Precision, n int) *program.Program {
	b := program.NewBuilder(c.Name, prec)
	c.build(b, n)
	return b.Program()
}

// halfBound is that of class fp16: of one evaluation, as a share of the largest magnitude.
const halfBound = 5e-3

// Half says whether the case is one of class fp16, of executors that have it.
func (c *Case) Half() bool { return !c.Beyond && len(c.Precisions()) > 1 }

// Within is the bound of a precision: of max |a-b| / max |b|, a an executor's results and b the reference's ([Difference]).
func (c *Case) Within(prec program.Precision) float64 {
	if prec == program.F16 {
		return halfBound
	}
	if prec == program.BF16 && c.BF16 != 0 {
		return c.BF16
	}
	return c.Bound
}

// Precisions are those of every executor at which the case differs.
func (c *Case) Precisions() []program.Precision {
	for _, in := range c.Program(program.F32, 1).Instrs {
		switch in.Op.(type) {
		case *program.Product, *program.Attention, *program.AttentionColumns:
			return []program.Precision{program.F32, program.BF16}
		}
	}
	return []program.Precision{program.F32}
}

// number makes a value of an input or weight. All numbers are exact sums and products, the same on every processor.
type number func(r *rand.Rand) float32

// normal is a sum of twelve dice of 16 bits: nearly a normal distribution, exact in fp32.
func normal(r *rand.Rand) float32 {
	sum := -6 << 16
	for range 12 {
		sum += int(r.Uint32() >> 16)
	}
	return float32(sum) / (1 << 16)
}

// times is f scaled by a power of two.
func (f number) times(x float32) number {
	return func(r *rand.Rand) float32 { return f(r) * x }
}

// around is f moved by x.
func (f number) around(x float32) number {
	return func(r *rand.Rand) float32 { return f(r) + x }
}

// choose takes one of some numbers.
func choose(list ...float32) number {
	return func(r *rand.Rand) float32 { return list[r.IntN(len(list))] }
}

// below is a whole number in [0,n).
func below(n int) number {
	return func(r *rand.Rand) float32 { return float32(r.IntN(n)) }
}

func (c *Case) number(name string) (number, *rand.Rand) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s", c.Name, name)
	f := c.fill[name]
	if f == nil {
		f = normal
	}
	return f, rand.New(rand.NewPCG(h.Sum64(), 1))
}

// Inputs makes a program's inputs.
func (c *Case) Inputs(p *program.Program) map[string]program.Tensor {
	in := make(map[string]program.Tensor)
	for _, port := range p.Inputs {
		v := p.Value(port.Value)
		f, r := c.number(port.Name)
		t := program.Tensor{Shape: v.Shape}
		for range v.Elems() {
			if v.DType == program.Int32 {
				t.I = append(t.I, int32(f(r)))
			} else {
				t.F = append(t.F, f(r))
			}
		}
		in[port.Name] = t
	}
	return in
}

// Source makes a program's weights, in all types of storage in turn.
func (c *Case) Source(p *program.Program) program.WeightSource {
	src := make(source)
	for i, w := range p.Weights() {
		f, r := c.number(w.Name)
		if c.fill[w.Name] == nil && len(w.Shape) > 1 {
			f = f.times(1 / float32(int(1)<<(log2(program.Elems(w.Shape[1:]))/2)))
		}
		src[w.Name] = stored(program.WeightType(i%4), w.Shape, func() float32 { return f(r) })
	}
	return src
}

func log2(n int) (k int) {
	for ; n > 1; n /= 2 {
		k++
	}
	return k
}

// source is weights by name.
type source map[string]program.WeightData

// Weight implements program.WeightSource.
func (s source) Weight(name string) (program.WeightData, error) {
	w, ok := s[name]
	if !ok {
		return w, fmt.Errorf("no weight %q", name)
	}
	return w, nil
}

// Guard implements program.WeightSource.
func (source) Guard(f func() error) error { return f() }

// stored writes numbers as they lie in a file, cut off to the type.
func stored(t program.WeightType, shape []int, f func() float32) program.WeightData {
	w := program.WeightData{Type: t, Shape: shape}
	for range program.Elems(shape) {
		x := f()
		switch t {
		case program.WF16:
			w.Data = binary.LittleEndian.AppendUint16(w.Data, f16(x))
		case program.WBF16:
			w.Data = binary.LittleEndian.AppendUint16(w.Data, uint16(math.Float32bits(x)>>16))
		case program.WF64:
			w.Data = binary.LittleEndian.AppendUint64(w.Data, math.Float64bits(float64(x)*(1+0x1p-30)))
		default:
			w.Data = binary.LittleEndian.AppendUint32(w.Data, math.Float32bits(x))
		}
	}
	return w
}

// f16 cuts a number off to fp16: zero below its normal range, the largest above.
func f16(x float32) uint16 {
	b := math.Float32bits(x)
	sign, e := uint16(b>>16&0x8000), int(b>>23&0xff)-112
	switch {
	case e < 1:
		return sign
	case e > 30:
		return sign | 0x7bff
	}
	return sign | uint16(e<<10) | uint16(b>>13&0x3ff)
}

// input declares an input of a batch.
func input(b *program.Builder, name string, shape ...int) program.ID {
	return b.Input(name, program.Float32, shape...)
}
