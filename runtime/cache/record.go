package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Output is one stored value of a record.
type Output struct {
	Port   string `json:"port"`
	Digest Digest `json:"digest"` // of the value's content
	Blob   BlobID `json:"blob"`
	Size   int64  `json:"size"`  // of the blob, in bytes
	Media  string `json:"media"` // "safetensors" or "png"
}

// Record says what an action made, and keeps the whole action document.
type Record struct {
	Key      ActionKey         `json:"key"`
	Action   json.RawMessage   `json:"action"` // kept byte for byte
	Outputs  []Output          `json:"outputs"`
	Created  time.Time         `json:"created"`
	Duration time.Duration     `json:"duration_ns"` // of the action's run
	Warnings []string          `json:"warnings,omitempty"`
	Meta     map[string]string `json:"meta,omitempty"`
}

// NewBlob is an output to be stored. Output gives port, digest and media; Blob
// and Size are found out. Its bytes are what Write writes or, if Write is nil, Data.
type NewBlob struct {
	Output Output
	Write  func(w io.Writer) error
	Data   []byte
}

// emit writes the blob's bytes to w.
func (b *NewBlob) emit(w io.Writer) error {
	if b.Write != nil {
		return b.Write(w)
	}
	_, err := w.Write(b.Data)
	return err
}

// Bounds on what the store takes and reads.
const (
	maxSealed = 64 << 20 // bytes of a record, tombstone or memo
	maxBlob   = 4 << 30  // bytes of a blob
)

// check finds what cannot be stored.
func (r *Record) check(blobs []NewBlob) error {
	switch {
	case r.Key == ActionKey{}:
		return errors.New("a record without a key cannot be stored")
	case !json.Valid(r.Action):
		return fmt.Errorf("record %s: the action document is not JSON", r.Key)
	}
	seen := make(map[string]bool, len(blobs))
	for _, b := range blobs {
		if p := b.Output.Port; p == "" || seen[p] {
			return fmt.Errorf("record %s: output port %q is empty or named twice", r.Key, p)
		}
		seen[b.Output.Port] = true
	}
	return nil
}

// encode gives the record as it stands on disk: a line of JSON, a line of checksum.
func (r *Record) encode() ([]byte, error) {
	line, err := encodeLine(r)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", r.Key, err)
	}
	return seal(line), nil
}

// encodeLine gives a value as a line of JSON in which an action's bytes stay
// what was hashed.
func encodeLine(v any) ([]byte, error) {
	buf := new(bytes.Buffer)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return buf.Bytes(), err
}

// decodeRecord reads what encode wrote, for the given key.
func decodeRecord(key ActionKey, data []byte) (*Record, error) {
	body, err := unseal(data)
	if err != nil {
		return nil, err
	}
	r := new(Record)
	if err := json.Unmarshal(body, r); err != nil {
		return nil, err
	}
	if r.Key != key {
		return nil, fmt.Errorf("the record is of %s", r.Key)
	}
	for _, o := range r.Outputs {
		if o.Port == "" || o.Blob == (BlobID{}) || o.Size < 0 {
			return nil, fmt.Errorf("output %q has no blob", o.Port)
		}
	}
	return r, nil
}

const sealMark = "sha256:"

// sealSize is the length of the checksum line.
const sealSize = len(sealMark) + 2*sha256.Size + 1

// seal appends a line with the SHA-256 of body, so that a cut or changed file is known as one.
func seal(body []byte) []byte {
	sum := sha256.Sum256(body)
	out := make([]byte, 0, len(body)+sealSize)
	out = append(append(out, body...), sealMark...)
	out = hex.AppendEncode(out, sum[:])
	return append(out, '\n')
}

// unseal checks and removes the line that seal appended.
func unseal(data []byte) ([]byte, error) {
	n := len(data) - sealSize
	if n < 0 {
		return nil, fmt.Errorf("cut short at %d bytes", len(data))
	}
	body := data[:n]
	if !bytes.Equal(data, seal(body)) {
		return nil, errors.New("checksum differs")
	}
	return body, nil
}
