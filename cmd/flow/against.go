package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/dustin/go-humanize"

	"github.com/seed-8af8f8e1/flow/internal/provenance"
	"github.com/seed-8af8f8e1/flow/internal/trail"
	"github.com/seed-8af8f8e1/flow/runtime/why"
)

// maxRecord bounds the size of a record in JSON.
const maxRecord = 64 << 20

// actionsOf reads the actions that a file tells of: a picture that flow has written, a golden's sidecar or a trail, or what flow show --json printed.
func actionsOf(name string) ([]*why.Kept, error) {
	if isPicture(name) {
		p, err := recorded(name)
		if err != nil {
			return nil, err
		}
		return keptBy(name, p.record)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxRecord {
		return nil, fmt.Errorf("%s is no record: no regular file of at most %s", name, humanize.IBytes(maxRecord))
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var shown struct {
		Flow *provenance.Record `json:"flow"`
	}
	if json.Unmarshal(data, &shown) == nil && shown.Flow != nil {
		return keptBy(name, shown.Flow)
	}
	t, err := trail.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s tells of no run: it is no picture, no golden's sidecar, and nothing that flow show --json prints", name)
	}
	var out []*why.Kept
	for _, n := range t.Nodes {
		action, err := why.Parse(n.Action)
		if err != nil {
			return nil, fmt.Errorf("%s: the action of node %q is damaged: %w", name, n.Name, err)
		}
		out = append(out, &why.Kept{Node: n.Name, Key: n.Key, Source: name, Outputs: n.Outputs, Action: action})
	}
	return out, nil
}

// keptBy are the actions of a picture's record.
func keptBy(name string, r *provenance.Record) ([]*why.Kept, error) {
	var out []*why.Kept
	for _, x := range r.Actions {
		action, err := why.Parse(x.Action)
		if err != nil {
			return nil, fmt.Errorf("%s: the action of node %q is damaged: %w", name, x.Node, err)
		}
		out = append(out, &why.Kept{Node: x.Node, Key: x.Key, Source: name, Action: action, Trace: why.ParseTrace(x.Trace)})
	}
	return out, nil
}
