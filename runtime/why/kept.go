package why

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
)

// Kept is an action that was asked before.
type Kept struct {
	Node    string            // its name then; it decides nothing
	Key     string            // in hex
	Made    time.Time         // zero where it is not known
	Evicted time.Time         // zero where the cache has it
	Source  string            // the file that tells of it; empty for the cache
	Outputs map[string]string // digests by port, in hex; nil where they are not known
	Trace   map[string][]plan.Traced
	Action  Action
}

// Action is an action document, taken apart.
type Action struct {
	Version  int                          // of the document's form
	Kind     string                       // with its version
	Args     map[string]any               // in canonical form
	Stored   map[string]string            // digests of stored inputs, by path
	Live     map[string]map[string]string // digests of components of live inputs, by path
	Numerics string
	Edition  string
}

// Parse reads an action document.
func Parse(document []byte) (Action, error) {
	var doc struct {
		Version  int                        `json:"key"`
		Kind     string                     `json:"kind"`
		Args     map[string]any             `json:"args"`
		Inputs   map[string]json.RawMessage `json:"inputs"`
		Numerics string                     `json:"numerics"`
		Edition  string                     `json:"edition"`
	}
	d := json.NewDecoder(strings.NewReader(string(document)))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return Action{}, err
	}
	a := Action{Version: doc.Version, Kind: doc.Kind, Args: doc.Args, Numerics: doc.Numerics, Edition: doc.Edition,
		Stored: make(map[string]string), Live: make(map[string]map[string]string)}
	for path, raw := range doc.Inputs {
		var digest string
		if json.Unmarshal(raw, &digest) == nil {
			a.Stored[path] = digest
			continue
		}
		var parts map[string]string
		if err := json.Unmarshal(raw, &parts); err != nil {
			return Action{}, err
		}
		a.Live[path] = parts
	}
	return a, nil
}

// Past gives the actions that a store keeps, and those that it has evicted and remembers. What cannot be read is left out.
func Past(s cache.Store) []*Kept {
	var out []*Kept
	for r, err := range s.Records() {
		if err == nil {
			out = appendKept(out, r.Key, r.Action, r.Meta, r.Outputs, r.Created, time.Time{})
		}
	}
	for t := range cache.Gone(s) {
		out = appendKept(out, t.Key, t.Action, t.Meta, t.Outputs, t.Created, t.Evicted)
	}
	return out
}

// Recent gives the n actions that a store used last, quickly.
func Recent(s cache.Store, n int) []*Kept {
	var out []*Kept
	for r := range cache.Recent(s, n) {
		out = appendKept(out, r.Key, r.Action, r.Meta, r.Outputs, r.Created, time.Time{})
	}
	return out
}

func appendKept(to []*Kept, key cache.ActionKey, action json.RawMessage, meta map[string]string, outputs []cache.Output, made, evicted time.Time) []*Kept {
	if meta[cache.ScopeMeta] != "" {
		return to // kept for others, under another key
	}
	a, err := Parse(action)
	if err != nil {
		return to
	}
	k := &Kept{Node: meta["node"], Key: key.String(), Made: made, Evicted: evicted, Action: a, Trace: ParseTrace([]byte(meta[sched.TraceMeta]))}
	if len(outputs) > 0 {
		k.Outputs = make(map[string]string, len(outputs))
		for _, o := range outputs {
			k.Outputs[o.Port] = o.Digest.String()
		}
	}
	return append(to, k)
}

// ParseTrace reads what a record tells of the components that its node read; nil where that is nothing.
func ParseTrace(text []byte) map[string][]plan.Traced {
	if len(text) == 0 {
		return nil
	}
	var out map[string][]plan.Traced
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if d.Decode(&out) != nil {
		return nil
	}
	return out
}

// kindName is a kind without its version.
func kindName(id string) string {
	name, _, _ := strings.Cut(id, "@")
	return name
}
