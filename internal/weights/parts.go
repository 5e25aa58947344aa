package weights

import (
	"bytes"
	"crypto/sha256"
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

// Parts is [Reading.Parts] where all of it is read.
func (c *Component) Parts(memo Memo, docs ...Document) []Part {
	return c.Reading(nil).Parts(memo, docs...)
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
