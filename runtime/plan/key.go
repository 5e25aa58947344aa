package plan

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/gowebpki/jcs"

	"github.com/seed-8af8f8e1/flow/nodes"
)

// KeyVersion is the version of the action document's form and of what the numerics classes mean. 2: the autoencoder's convolutions by
// Winograd's algorithm (docs/adr/0007-winograd-in-the-autoencoder.md).
const KeyVersion = 2

// Digests are what a step's key has of its inputs: of stored ones the value's digest by argument path, of
// live ones the digests of the components that the step uses.
type Digests struct {
	Stored map[string]nodes.Digest
	Live   map[string]map[string]nodes.Digest
}

// Action is the step's action document in canonical JSON (RFC 8785) and its SHA-256, the action key. Names of nodes,
// paths, the order of keys, the host and the release are not in it.
func (p *Plan) Action(s *Step, d Digests) (document []byte, key [32]byte, err error) {
	inputs := make(map[string]any)
	for path, digest := range d.Stored {
		inputs[path] = digest.String()
	}
	for path, components := range d.Live {
		parts := make(map[string]string)
		for name, digest := range components {
			parts[name] = digest.String()
		}
		inputs[path] = parts
	}
	action := map[string]any{"key": KeyVersion, "kind": s.Kind.ID(), "args": s.Kind.Action(s.Args), "inputs": inputs}
	if s.Plan.Class {
		action["numerics"] = nodes.Class(p.Precision)
	}
	if s.Plan.Edition {
		action["edition"] = p.Edition
	}
	raw, err := json.Marshal(action)
	if err != nil {
		return nil, key, fmt.Errorf("action of node %q: %w", s.Name, err)
	}
	document, err = jcs.Transform(raw)
	if err != nil {
		return nil, key, fmt.Errorf("action of node %q: %w", s.Name, err)
	}
	return document, sha256.Sum256(document), nil
}

// LiveInputs lists the live inputs of a step by argument path, with those that its operation opened for itself.
func (s *Step) LiveInputs() map[string]nodes.Live {
	out := make(map[string]nodes.Live)
	maps.Copy(out, s.Plan.Own)
	for _, in := range s.Inputs {
		if in.Type.Live() {
			out[in.Path] = in.From.Live[in.Port]
		}
	}
	return out
}
