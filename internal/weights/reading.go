package weights

import (
	"context"
	"encoding/hex"
)

// Reading is a component as those see it who read some of its tensors: the others are not in its identity.
type Reading struct {
	component *Component
	reads     map[string]bool // canonical names; nil for all
}

// Reading is the component with the tensors that are read of it, by canonical name; nil stands for all.
func (c *Component) Reading(names map[string]bool) Reading { return Reading{c, names} }

// Digest is the identity of what is read: SHA-256 over the sorted digests of these tensors (canonical name, type, shape, bytes) and the
// documents. Tensors are hashed as [Component.Digest] does, all of them, since locks ask for all.
func (r Reading) Digest(ctx context.Context, memo Memo, docs ...Document) (Digest, error) {
	sums, err := r.component.sumAll(ctx, memo)
	if err != nil {
		return Digest{}, err
	}
	return combine(r.of(sums), docs), nil
}

// Remembered gives the digest without reading tensors: ok is false, and
// unknown the number of bytes to hash, when memo does not have all of it. It does not wait
// while they are being hashed.
func (r Reading) Remembered(memo Memo, docs ...Document) (d Digest, unknown int64, ok bool) {
	sums, unknown := r.component.remembered(memo)
	if sums == nil {
		return Digest{}, unknown, false
	}
	return combine(r.of(sums), docs), 0, true
}

// Parts lists what the digest is made of, as far as memo knows it without reading tensors. What each part is made of in turn - tensors by
// name, fields of a document in JSON - is put into memo under [MadeOfKey], so that two digests can be told apart later, when one of the files is gone.
func (r Reading) Parts(memo Memo, docs ...Document) []Part {
	var out []Part
	if sums, _ := r.component.remembered(memo); sums != nil {
		sums = r.of(sums)
		d := combine(sums, nil)
		out = append(out, Part{"weights", d})
		put(memo, d, func() map[string]string {
			fields := make(map[string]string, len(sums))
			for name, s := range sums {
				fields[name] = hex.EncodeToString(s.sum[:8])
			}
			return fields
		})
	}
	return append(out, DocumentParts(memo, docs)...)
}

// of are the digests of the tensors that are read.
func (r Reading) of(sums map[string]tensorSum) map[string]tensorSum {
	if r.reads == nil {
		return sums
	}
	out := make(map[string]tensorSum, len(sums))
	for name, s := range sums {
		if r.reads[name] {
			out[name] = s
		}
	}
	return out
}
