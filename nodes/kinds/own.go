package kinds

import (
	"context"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// Types of what operations open for themselves; no port has them.
const (
	fileType    nodes.Type = "file"
	encoderType nodes.Type = "image-encoder"
)

// contentPart is the one component of an input file.
const contentPart = "content"

// inputFile is an input file as a live value.
type inputFile struct{ *weights.Plain }

// Type implements nodes.Live.
func (*inputFile) Type() nodes.Type { return fileType }

// Components implements nodes.Live.
func (*inputFile) Components() []string { return []string{contentPart} }

// Digest implements nodes.Live.
func (f *inputFile) Digest(ctx context.Context, _ string, memo nodes.Memo) (nodes.Digest, error) {
	d, err := f.Plain.Digest(ctx, memo)
	return nodes.Digest(d), err
}

// Known implements nodes.Live.
func (f *inputFile) Known(_ string, memo nodes.Memo) (nodes.Digest, int64, bool) {
	d, unread, ok := f.Remembered(memo)
	return nodes.Digest(d), unread, ok
}

// Verify implements nodes.Live.
func (f *inputFile) Verify(...string) error { return f.Plain.Verify() }

// Close implements nodes.Live.
func (*inputFile) Close() error { return nil }

// imageEncoder is an image encoder as a live value.
type imageEncoder struct {
	*sdxl.Encoder
	reads map[string]bool // tensors that encoding reads
}

// Type implements nodes.Live.
func (*imageEncoder) Type() nodes.Type { return encoderType }

// Components implements nodes.Live.
func (*imageEncoder) Components() []string { return []string{sdxl.ImageEncoder} }

// documents are what decides the result beside the tensors.
func (e *imageEncoder) documents() ([]weights.Document, error) {
	doc, err := weights.JSONDocument("config", e.Config)
	return []weights.Document{doc}, err
}

// Digest implements nodes.Live.
func (e *imageEncoder) Digest(ctx context.Context, _ string, memo nodes.Memo) (nodes.Digest, error) {
	docs, err := e.documents()
	if err != nil {
		return nodes.Digest{}, err
	}
	d, err := e.Component.Reading(e.reads).Digest(ctx, memo, docs...)
	return nodes.Digest(d), err
}

// Known implements nodes.Live.
func (e *imageEncoder) Known(_ string, memo nodes.Memo) (nodes.Digest, int64, bool) {
	docs, err := e.documents()
	if err != nil {
		return nodes.Digest{}, 0, false
	}
	d, unread, ok := e.Component.Reading(e.reads).Remembered(memo, docs...)
	return nodes.Digest(d), unread, ok
}

// Verify implements nodes.Live.
func (e *imageEncoder) Verify(...string) error { return e.Component.Verify() }

// owned finds what an operation has opened for itself.
func owned[T nodes.Live](live map[string]nodes.Live, path string) (T, error) {
	v, ok := live[path].(T)
	if !ok {
		return v, fmt.Errorf("%s is a %T", path, live[path])
	}
	return v, nil
}
