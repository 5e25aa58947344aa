package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// Part is one thing that a component's digest is made of.
type Part struct {
	What   string // "weights": all tensors; else the name of a document
	Digest Digest
}

// maxParts bounds the size in bytes of a document whose fields are remembered.
const maxParts = 1 << 18

// Parts lists what the component's digest is made of, as far as memo knows it without reading tensors. What each part is made of in turn - tensors by
// name, fields of a document in JSON - is put into memo under [MadeOfKey], so that two digests can be told apart later, when one of the files is gone.
func (c *Component) Parts(memo Memo, docs ...Document) []Part {
	var out []Part
	if _, _, ok := c.Remembered(memo); ok {
		sums := c.known()
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

// DocumentParts is [Component.Parts] for a component without tensors.
func DocumentParts(memo Memo, docs []Document) []Part {
	var out []Part
	for _, doc := range docs {
		d := Digest(sha256.Sum256(doc.Data))
		out = append(out, Part{doc.Name, d})
		if len(doc.Data) <= maxParts {
			put(memo, d, func() map[string]string { return fields(doc.Data) })
		}
	}
	return out
}

// MadeOfKey is the name under which a memo has what a part is made of: a JSON object of texts.
func MadeOfKey(d Digest) string { return "made of 1|" + d.String() }

func put(memo Memo, d Digest, of func() map[string]string) {
	if memo == nil {
		return
	}
	if _, ok := memo.Get(MadeOfKey(d)); ok {
		return
	}
	list := of()
	if len(list) == 0 {
		return
	}
	if val, err := json.Marshal(list); err == nil {
		memo.Put(MadeOfKey(d), val)
	}
}

// fields are the values of a JSON object by path, with dots; nil for anything else.
func fields(data []byte) map[string]string {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v map[string]any
	if dec.Decode(&v) != nil {
		return nil
	}
	out := make(map[string]string)
	var walk func(path []string, v any)
	walk = func(path []string, v any) {
		if m, ok := v.(map[string]any); ok {
			for k, x := range m {
				walk(append(path[:len(path):len(path)], k), x)
			}
			return
		}
		if text, err := json.Marshal(v); err == nil {
			out[strings.Join(path, ".")] = string(text)
		}
	}
	walk(nil, v)
	return out
}
