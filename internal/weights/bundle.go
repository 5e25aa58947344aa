package weights

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Bundle joins components to a [program.WeightSource]: the weight
// "unet/conv_in.weight" is the tensor "conv_in.weight" of the component "unet".
type Bundle struct {
	parts map[string]*Component
	files []*File
}

// NewBundle joins components under their names.
func NewBundle(parts ...*Component) *Bundle {
	b := &Bundle{parts: make(map[string]*Component, len(parts))}
	for _, c := range parts {
		b.Join(c.Name, c)
	}
	return b
}

// Weight implements [program.WeightSource].
func (b *Bundle) Weight(name string) (program.WeightData, error) {
	t, err := b.find(name)
	if err != nil {
		return program.WeightData{}, err
	}
	return t.data()
}

// TypeOf implements [program.TypeSource].
func (b *Bundle) TypeOf(name string) (program.WeightType, bool) {
	t, err := b.find(name)
	if err != nil {
		return 0, false
	}
	wt, ok := weightTypes[t.DType]
	return wt, ok
}

// Size implements [program.SizedSource]. It reads no tensor.
func (b *Bundle) Size(name string) (bytes int64, mapped bool) {
	t, err := b.find(name)
	if err != nil {
		return 0, false
	}
	return t.size(), t.isMapped()
}

// Shape is that of a weight; nil where there is no such weight.
func (b *Bundle) Shape(name string) []int {
	t, err := b.find(name)
	if err != nil {
		return nil
	}
	return t.Shape
}

// Guard implements [program.WeightSource]: faults in any file of the bundle
// become errors that name it.
func (b *Bundle) Guard(f func() error) error { return guard(b.files, f) }

// Verify compares each file with what was opened.
func (b *Bundle) Verify() error {
	for _, f := range b.files {
		if err := f.Verify(); err != nil {
			return err
		}
	}
	return nil
}

// Identity implements [program.ContentSource]: the digest of the tensor, where it was computed or remembered.
func (b *Bundle) Identity(name string) (id [32]byte, ok bool) {
	part, tensor, _ := strings.Cut(name, "/")
	c := b.parts[part]
	if c == nil {
		return id, false
	}
	s, ok := c.known()[tensor]
	return s.sum, ok
}

// Keep implements [program.ContentSource].
func (b *Bundle) Keep() (release func()) {
	var all []func()
	for _, f := range b.files {
		all = append(all, f.Keep())
	}
	return func() {
		for _, release := range all {
			release()
		}
	}
}

// Drop implements [program.ContentSource]. A tensor that was copied out of its file stays.
func (b *Bundle) Drop(name string) {
	if t, err := b.find(name); err == nil {
		t.drop()
	}
}

// Files lists the files of all components.
func (b *Bundle) Files() []*File { return b.files }

// find splits a weight's name into component and tensor.
func (b *Bundle) find(name string) (*Tensor, error) {
	part, tensor, ok := strings.Cut(name, "/")
	c := b.parts[part]
	if !ok || c == nil {
		return nil, fmt.Errorf("weight %s: the model has no component %q; it has %s", name, part, strings.Join(slices.Sorted(maps.Keys(b.parts)), ", "))
	}
	t := c.tensors[tensor]
	if t == nil {
		return nil, &Error{File: c.origin, Tensor: tensor, Problem: "is missing from the " + c.Name}
	}
	return t, nil
}

// Check compares what programs read with what there is: one error for all
// weights that are missing, of another shape, of a type that cannot be computed with, or - where the
// component's digest is known - not finite. surplus lists the tensors of the
// components in refs that no ref reads, as "unet/name": a warning at most.
func (b *Bundle) Check(refs []program.WeightRef) (surplus []string, err error) {
	used := make(map[string]bool, len(refs))
	touched := make(map[string]bool)
	var problems []string
	for _, ref := range refs {
		if used[ref.Name] {
			continue
		}
		used[ref.Name] = true
		part, _, _ := strings.Cut(ref.Name, "/")
		touched[part] = true
		if p := b.check(ref); p != "" {
			problems = append(problems, p)
		}
	}
	for part := range touched {
		if c := b.parts[part]; c != nil {
			for name := range c.tensors {
				if full := part + "/" + name; !used[full] {
					surplus = append(surplus, full)
				}
			}
		}
	}
	slices.Sort(surplus)
	if len(problems) == 0 {
		return surplus, nil
	}
	return surplus, fmt.Errorf("weights do not fit the model's configuration, %d of %d:\n  %s", len(problems), len(used), strings.Join(problems, "\n  "))
}

// check says what is wrong with one weight; empty when nothing is.
func (b *Bundle) check(ref program.WeightRef) string {
	t, err := b.find(ref.Name)
	if err != nil {
		return err.Error()
	}
	if !slices.Equal(t.Shape, ref.Shape) {
		return t.fail(fmt.Sprintf("has shape %v where %s is %v", t.Shape, ref.Name, ref.Shape), "").Error()
	}
	if _, ok := weightTypes[t.DType]; !ok {
		return t.fail(fmt.Sprintf("element type %s is not one of F16, BF16, F32, F64", t.DType), "convert the weights").Error()
	}
	part, _, _ := strings.Cut(ref.Name, "/")
	switch f := b.parts[part].finiteness(t.Name); {
	case f&hasNaN != 0:
		return t.fail("holds NaN", "the file is damaged or was saved after a diverged training").Error()
	case f&hasInf != 0:
		return t.fail("holds infinities", "it was probably converted to fp16 from larger values; use the fp32 or bf16 file").Error()
	}
	return ""
}

// finiteness is what was seen of a tensor when it was hashed.
func (c *Component) finiteness(name string) finiteness {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sums[name].finite
}
