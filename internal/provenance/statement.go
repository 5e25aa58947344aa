package provenance

import "encoding/json"

// Statement is an in-toto statement (in-toto attestation framework, v1) about a picture's file, with the predicate of SLSA provenance v1: what a
// signer signs. name and sha256 are of the file.
func (r *Record) Statement(name, sha256 string) any {
	type digest map[string]string
	type dependency struct {
		Name   string `json:"name"`
		Digest digest `json:"digest"`
	}
	var actions []dependency
	for _, a := range r.Actions {
		actions = append(actions, dependency{a.Node, digest{"sha256": a.Key}})
	}
	external := map[string]any{"workflow": r.Workflow, "output": r.Output}
	if r.Lock != "" {
		external["lock"] = digest{"sha256": r.Lock}
	}
	return map[string]any{
		"_type":         "https://in-toto.io/Statement/v1",
		"subject":       []dependency{{name, digest{"sha256": sha256}}},
		"predicateType": "https://slsa.dev/provenance/v1",
		"predicate": map[string]any{
			"buildDefinition": map[string]any{
				"buildType":          "https://github.com/seed-8af8f8e1/flow/blob/main/docs/provenance.md",
				"externalParameters": external,
				"internalParameters": map[string]any{"numerics": r.Numerics, "pixels": r.Pixels, "actions": r.documents()},
				// the keys stand for all inputs: each is the digest of an action, with the digests of the weights and files that it read
				"resolvedDependencies": actions,
			},
			"runDetails": map[string]any{"builder": map[string]any{"id": "https://github.com/seed-8af8f8e1/flow", "version": map[string]string{"flow": r.Release}}},
		},
	}
}

func (r *Record) documents() map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(r.Actions))
	for _, a := range r.Actions {
		out[a.Node] = a.Action
	}
	return out
}
