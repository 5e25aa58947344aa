// Package kinds holds the kinds of nodes that a release knows, a file a kind.
// They join workflow values to internal/sdxl; models are built and run there.
package kinds

import "github.com/seed-8af8f8e1/flow/nodes"

// Registry is every kind of this release.
func Registry() *nodes.Registry {
	return nodes.NewRegistry(LoadModel(), AddLoRA(), EncodeImage(), IPAdapter(), EncodePrompt(), Noise(), Denoise(), Decode())
}

func bound(v float64) *float64 { return &v }
