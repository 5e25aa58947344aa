package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// Memo remembers digests from one run to the next. It may forget. It is safe
// for use by many goroutines.
type Memo interface {
	Get(key string) ([]byte, bool)
	Put(key string, val []byte)
}

// settle is how long a file must have been left alone before a digest of it is
// remembered: a write within the resolution of the file system's clock need not change the stamp.
const settle = 2 * time.Second

// memoEntry is the remembered form of the tensors that a component has in one file.
type memoEntry struct {
	Tensors map[string]memoSum `json:"tensors"` // by canonical name
}

type memoSum struct {
	Sum    []byte     `json:"sum"`
	Source string     `json:"source"`
	DType  string     `json:"dtype"`
	Shape  []int      `json:"shape"`
	Finite finiteness `json:"finite"`
}

// memoKey names what a component reads of a file in its present state.
func (c *Component) memoKey(f *File) string {
	s := f.stamp
	return fmt.Sprintf("weights 1|%s|%d|%d|%d|%d|%d|%s", c.Name, s.Size, s.MtimeNs, s.CtimeNs, s.Inode, s.Device, f.path)
}

// recall gives the digests that memo has and the tensors that it lacks.
func (c *Component) recall(memo Memo) (sums map[string]tensorSum, missing []*Tensor) {
	known := make(map[*File]memoEntry, len(c.files))
	if memo != nil {
		for _, f := range c.files {
			if val, ok := memo.Get(c.memoKey(f)); ok {
				known[f] = openMemo(val)
			}
		}
	}
	sums = make(map[string]tensorSum, len(c.tensors))
	for name, t := range c.tensors {
		m, ok := known[t.file].Tensors[name]
		if !ok || !m.describes(t) {
			missing = append(missing, t)
			continue
		}
		sums[name] = tensorSum{sum: Digest(m.Sum), finite: m.Finite}
	}
	return sums, missing
}

// describes says whether m was made of the same part of the file.
func (m *memoSum) describes(t *Tensor) bool {
	return len(m.Sum) == sha256.Size && m.Source == t.source && m.DType == t.DType && fmt.Sprint(m.Shape) == fmt.Sprint(t.Shape)
}

// remember stores the digests of each file that had settled when hashing began.
func (c *Component) remember(memo Memo, sums map[string]tensorSum, began time.Time) {
	if memo == nil {
		return
	}
	for _, f := range c.files {
		last := max(f.stamp.MtimeNs, f.stamp.CtimeNs)
		if began.Sub(time.Unix(0, last)) < settle {
			continue
		}
		e := memoEntry{Tensors: make(map[string]memoSum)}
		for name, t := range c.tensors {
			if t.file == f {
				s := sums[name]
				e.Tensors[name] = memoSum{Sum: s.sum[:], Source: t.source, DType: t.DType, Shape: t.Shape, Finite: s.finite}
			}
		}
		if val, err := json.Marshal(e); err == nil {
			sum := sha256.Sum256(val)
			memo.Put(c.memoKey(f), append(sum[:], val...))
		}
	}
}

// openMemo reads what remember stored; anything else is as good as nothing.
func openMemo(val []byte) (e memoEntry) {
	if len(val) < sha256.Size {
		return memoEntry{}
	}
	sum := sha256.Sum256(val[sha256.Size:])
	if !bytes.Equal(sum[:], val[:sha256.Size]) || json.Unmarshal(val[sha256.Size:], &e) != nil {
		return memoEntry{}
	}
	return e
}
