package nodes

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"sort"
)

// Digest is the SHA-256 of a value's content: element type, shape and elements, never a container.
type Digest [32]byte

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Value is a stored value: *Tensors or *Image.
type Value interface {
	Type() Type
	Digest() Digest
	// Bytes is about how much memory the value takes.
	Bytes() int64
}

// Tensor is an fp32 array, row-major.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Tensors is a stored value of named arrays: latents ("latents" [B,H,W,C], channels
// last), conditioning ("context" [B,T,C], "pooled" [B,P]; the negative prompt's have the prefix "negative_").
type Tensors struct {
	Of   Type
	List map[string]Tensor
}

// Type implements Value.
func (t *Tensors) Type() Type { return t.Of }

// Names lists the arrays, sorted.
func (t *Tensors) Names() []string {
	names := make([]string, 0, len(t.List))
	for n := range t.List {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Bytes implements Value.
func (t *Tensors) Bytes() int64 {
	var n int64
	for _, a := range t.List {
		n += 4 * int64(len(a.Data))
	}
	return n
}

// Digest implements Value: for each array in order of names its name, shape and elements.
func (t *Tensors) Digest() Digest {
	h := sha256.New()
	h.Write([]byte("flow-tensors/1 " + string(t.Of) + "\n"))
	buf := make([]byte, 0, 1<<16)
	for _, name := range t.Names() {
		a := t.List[name]
		buf = binary.LittleEndian.AppendUint64(buf, uint64(len(name)))
		buf = append(buf, name...)
		buf = append(buf, "F32"...)
		buf = binary.LittleEndian.AppendUint64(buf, uint64(len(a.Shape)))
		for _, d := range a.Shape {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(d))
		}
		for _, v := range a.Data {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
			if len(buf) > 1<<16-64 {
				h.Write(buf)
				buf = buf[:0]
			}
		}
		h.Write(buf)
		buf = buf[:0]
	}
	return Digest(h.Sum(nil))
}

// Image is a stored picture: 8 bits of red, green and blue a pixel, row by row.
type Image struct {
	Width, Height int
	Pix           []byte
}

// Type implements Value.
func (*Image) Type() Type { return ImageType }

// Bytes implements Value.
func (m *Image) Bytes() int64 { return int64(len(m.Pix)) }

// Digest implements Value: width, height and pixels.
func (m *Image) Digest() Digest {
	h := sha256.New()
	h.Write([]byte("flow-image/1 rgb8\n"))
	h.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(m.Width)), uint64(m.Height)))
	h.Write(m.Pix)
	return Digest(h.Sum(nil))
}

// Live is a value that stays in memory: a model. It is known by its components' digests.
type Live interface {
	Type() Type
	// Components lists its parts, such as "unet" and "vae".
	Components() []string
	// Digest is the digest of one part. It may read the part's files as a whole; m
	// remembers what was read before.
	Digest(ctx context.Context, component string, m Memo) (Digest, error)
	// Known is the digest of one part if that takes no reading; else the number of bytes to read.
	Known(component string, m Memo) (d Digest, unread int64, ok bool)
	// Verify says whether the files of the parts are still those that were opened.
	Verify(components ...string) error
	Close() error
}

// Dependent is a live value with components that need stored values once they are used, such as an IP-Adapter its
// encoded images. Opening it does not wait for them: whoever uses such a component inherits them as inputs of its
// own. They are in its action key, it runs after them, and finds them under [Inherited].
type Dependent interface {
	Live
	// Needs lists what a component needs.
	Needs(component string) []Source
}

// Memo remembers digests of files across runs.
type Memo interface {
	Get(key string) ([]byte, bool)
	Put(key string, value []byte)
}

// Meta is what is known of a stored value before it is made: the shapes of its arrays,
// or of an image ("image" [height,width,3]).
type Meta struct {
	Of     Type
	Shapes map[string][]int
}

// Shape is the shape of one array; nil if there is none.
func (m Meta) Shape(name string) []int { return slices.Clone(m.Shapes[name]) }
