package kinds

import (
	"context"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/lora"
	"github.com/seed-8af8f8e1/flow/internal/weights"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// patch is what a node adds to a model: a LoRA, an adapter for image prompts. Models share patches and the
// files of the model that they were added to; a patch's own files are closed by the node that opened them.
type patch interface {
	// Touches says whether it changes what a component computes.
	Touches(component string) bool
	// Digest identifies what it adds to a component that it touches.
	Digest(ctx context.Context, component string, memo weights.Memo) (weights.Digest, error)
	// Known is the digest if that takes no reading; else the number of bytes to read.
	Known(component string, memo weights.Memo) (d weights.Digest, unread int64, ok bool)
	// Parts is what the digest is made of.
	Parts(component string, memo weights.Memo) []weights.Part
	// Verify says whether its files are still those that were opened.
	Verify() error
	// Join adds the weights that it brings to a component to a source, as tensors of a part of the given name.
	Join(s *lora.Source, part, component string)
	// Additions are the low-rank additions to a component's weights, by factors of that part.
	Additions(part, component string) program.Patches
	// Merged is the number of bytes that weights of a component take that it changes as a whole.
	Merged(component string) int64
	Close() error
}

// with is the model with one more patch, whose files the new value closes.
func (m *model) with(p patch) *model {
	out := &model{base: m.base, vae: m.vae, shared: m.shared, images: m.images, own: p}
	out.patches = append(append(out.patches, m.patches...), p)
	return out
}

// part names what patch i brings to a component in programs and sources.
func part(i int, component string) string { return fmt.Sprintf("lora.%d.%s", i, component) }

// additions are the low-rank additions of all patches to some components, in the order of the nodes.
func (m *model) additions(components ...string) program.Patches {
	out := make(program.Patches)
	for i, p := range m.patches {
		for _, c := range components {
			for name, list := range p.Additions(part(i, c), c) {
				out[name] = append(out[name], list...)
			}
		}
	}
	return out
}

// merged is the memory that changed copies of weights take beside a program's.
func (m *model) merged(components ...string) int64 {
	var n int64
	for _, p := range m.patches {
		for _, c := range components {
			n += p.Merged(c)
		}
	}
	return n
}

// patchedDigest identifies a component with a patch on it.
func patchedDigest(base nodes.Digest, patch weights.Digest) nodes.Digest {
	return nodes.Digest(weights.DigestDocuments([]weights.Document{{Name: "base", Data: base[:]}, {Name: "patch", Data: patch[:]}}))
}
