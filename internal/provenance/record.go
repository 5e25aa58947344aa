package provenance

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

// Key is the key of the chunk that holds a [Record].
const Key = "flow"

// format is the version of the record's form.
const format = 1

// Record says what made a picture. It names no path, host, user or time.
type Record struct {
	Format   int      `json:"format"`
	Release  string   `json:"release"`        // of flow; it decides nothing
	Numerics string   `json:"numerics"`       // the class, such as "bf16@1"
	Output   string   `json:"output"`         // of the workflow, that the picture is
	Pixels   string   `json:"pixels"`         // digest of the picture's content in hex
	Lock     string   `json:"lock,omitempty"` // SHA-256 of the lock file in hex
	Workflow string   `json:"workflow"`       // YAML, with the values of the parameters as their defaults
	Actions  []Action `json:"actions"`        // what led to the picture, in the order of the run
}

// Action is what a node did: its key, and the document that the key is the digest of.
type Action struct {
	Node   string          `json:"node"`
	Key    string          `json:"key"`
	Action json.RawMessage `json:"action"`
	Trace  json.RawMessage `json:"trace,omitempty"` // what the components were made of that it read; it explains, and decides nothing
}

// Chunk is the chunk of a picture that holds the record: iTXt, compressed. Where the actions make it too large to be read again, they
// are left out; where that is not enough it is an error.
func (r Record) Chunk() ([]byte, error) {
	r.Format = format
	data, err := r.encode()
	if errors.Is(err, errLarge) && r.Actions != nil {
		r.Actions = nil
		data, err = r.encode()
	}
	return data, err
}

var errLarge = errors.New("what made the picture is too long to be kept in it")

func (r Record) encode() ([]byte, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	var safe bytes.Buffer // for who prints it as it is
	if _, err := safetext.JSON(&safe).Write(raw); err != nil {
		return nil, err
	}
	text := safe.Bytes()
	body := bytes.NewBufferString("iTXt" + Key + "\x00\x01\x00\x00\x00")
	z, err := zlib.NewWriterLevel(body, zlib.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if len(text) > MaxExpanded/2 || body.Len()-4 > MaxChunk {
		return nil, errLarge
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(body.Len()-4))
	out = append(out, body.Bytes()...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body.Bytes())), nil
}

// ErrNone is the error where a picture has no record.
var ErrNone = errors.New("the picture does not say what made it")

// Read reads the record of a picture: [ErrNone] where there is none.
func Read(r io.Reader) (*Record, error) {
	texts, err := Texts(r)
	if err != nil {
		return nil, err
	}
	return Find(texts)
}

// Find finds the record among the texts of a picture.
func Find(texts []Text) (*Record, error) {
	for _, t := range texts {
		if t.Key != Key {
			continue
		}
		var rec Record
		d := json.NewDecoder(strings.NewReader(t.Value))
		if err := d.Decode(&rec); err != nil {
			return nil, fmt.Errorf("the picture's record is damaged: %w", err)
		}
		if rec.Format != format {
			return nil, fmt.Errorf("the picture's record is of form %d; this release reads form %d", rec.Format, format)
		}
		return &rec, nil
	}
	return nil, ErrNone
}
