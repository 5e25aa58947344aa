package nodes

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// FileSum identifies the content of a file. Header and Tensors, where a file has both, tell as much as SHA256 and are found quicker:
// the digest of what stands before a safetensors file's tensors, and that of the sorted digests of its tensors.
type FileSum struct{ SHA256, Header, Tensors Digest }

// Content is a file that a live value was opened from.
type Content interface {
	Path() string // absolute
	Size() int64
	// Known is what m has of the sum; else the number of bytes to read. whole asks for SHA256 where the rest tells as much.
	Known(m Memo, whole bool) (sum FileSum, unread int64, ok bool)
	// Sum is the sum, which may take reading the file.
	Sum(ctx context.Context, m Memo, whole bool) (FileSum, error)
}

// Opened is a live value that lists the files from which its node has opened it, by the argument that names them. Those of
// its live inputs are not among them.
type Opened interface {
	Contents() map[string][]Content
}

// Part is one thing of which the digest of a component is made.
type Part struct {
	Argument string `json:"argument,omitempty"` // of the node, that names the file; empty where other arguments decide
	What     string `json:"what"`               // such as "weights", "config" or the name of a file
	Digest   Digest `json:"digest"`
}

// Traced is a live value that tells of what its node adds to a component, as far as m knows it; nil where it adds nothing. What its live inputs
// have is not among it.
type Traced interface {
	Trace(component string, m Memo) []Part
}

// MarshalText gives the digest in hex.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("a digest of %d digits, not of %d", len(text), hex.EncodedLen(len(d)))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// MadeOf gives what a memo knows of what a part is made of: digests of tensors by name, or values of settings by path; nil for nothing.
func MadeOf(m Memo, d Digest) map[string]string {
	val, ok := m.Get("made of 1|" + d.String())
	if !ok {
		return nil
	}
	var out map[string]string
	if json.Unmarshal(val, &out) != nil {
		return nil
	}
	return out
}
