package lock

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

// code is that of all diagnostics of a lock.
const code = "F0802"

// Read reads a lock. The lock is nil if a diagnostic is an error.
func Read(file string) (*Lock, []spec.Diagnostic) {
	src, problem := spec.ReadFile(file)
	if problem != nil {
		return nil, []spec.Diagnostic{*problem}
	}
	return Parse(file, src)
}

// Parse reads a lock's text.
func Parse(file string, src []byte) (*Lock, []spec.Diagnostic) {
	if len(bytes.TrimSpace(src)) == 0 {
		return nil, []spec.Diagnostic{{File: file, Pos: spec.Pos{Line: 1, Col: 1, Len: 1}, Code: code, Message: "the lock is empty", Hint: "flow lock writes it anew"}}
	}
	root, diags := spec.ParseData(file, src)
	if root == nil || spec.Failed(diags) {
		return nil, diags
	}
	r := &reader{file: file, diags: diags}
	l := r.lock(root)
	if diags = spec.Sort(r.diags); spec.Failed(diags) {
		return nil, diags
	}
	return l, diags
}

type reader struct {
	file  string
	diags []spec.Diagnostic
}

func (r *reader) fail(p spec.Pos, format string, args ...any) {
	if len(r.diags) < 50 {
		r.diags = append(r.diags, spec.Diagnostic{File: r.file, Pos: p, Code: code, Message: fmt.Sprintf(format, args...), Hint: "flow lock writes the lock anew"})
	}
}

// fields gives the entries of a map that has no others.
func (r *reader) fields(v *spec.Value, what string, known ...string) map[string]*spec.Value {
	out := make(map[string]*spec.Value)
	for _, e := range r.entries(v, what) {
		if !slices.Contains(known, e.Key.Text) {
			r.fail(e.Key.Pos, "%s has no %s", what, spec.Quote(e.Key.Text))
			continue
		}
		out[e.Key.Text] = e.Value
	}
	return out
}

func (r *reader) entries(v *spec.Value, what string) []spec.Entry {
	if v == nil {
		return nil
	}
	if v.Kind != spec.Map {
		r.fail(v.Pos, "%s is a map, this is %s", what, v.Describe())
		return nil
	}
	return v.Entries
}

// text gives a text that must be there.
func (r *reader) text(at *spec.Value, name string, v *spec.Value) string {
	if v == nil || v.Kind != spec.String || v.Ref != nil {
		r.fail(at.Pos, "%s is missing or no text", name)
		return ""
	}
	return v.Text
}

func (r *reader) lock(root *spec.Value) *Lock {
	if v := root.Get("lock"); root.Kind != spec.Map || v == nil {
		r.fail(root.Pos, "this is no lock: it does not say lock: %d", Version)
		return nil
	} else if v.Text != strconv.Itoa(Version) {
		r.diags = append(r.diags, spec.Diagnostic{File: r.file, Pos: v.Pos, Code: code, Message: fmt.Sprintf("a lock of version %s; this release knows version %d", spec.Quote(v.Text), Version),
			Hint: "look for a newer flow, or write the lock anew: flow lock"})
		return nil
	}
	top := r.fields(root, "a lock", "lock", "workflow", "numerics", "kinds", "models", "files")
	l := &Lock{file: r.file, pos: root.Pos, kindPos: make(map[string]spec.Pos)}
	if v := top["workflow"]; v != nil {
		l.Workflow = r.text(root, "workflow", v)
	}
	n := top["numerics"]
	if n == nil {
		r.fail(root.Pos, "numerics is missing")
		return nil
	}
	numerics := r.fields(n, "numerics", "class", "device", "edition")
	for _, x := range []struct {
		name string
		to   *string
		pos  *spec.Pos
	}{{"class", &l.Class, &l.class}, {"device", &l.Device, &l.device}, {"edition", &l.Edition, &l.edition}} {
		if *x.to = r.text(n, "numerics."+x.name, numerics[x.name]); *x.to != "" {
			*x.pos = numerics[x.name].Pos
		}
	}
	r.kinds(l, root, top["kinds"])
	for _, e := range r.entries(top["models"], "models") {
		p := &Pinned{Name: e.Key.Text, pos: e.Key.Pos}
		for _, f := range r.entries(e.Value, "a model") {
			p.Entries = append(p.Entries, r.entry(f.Key, f.Value))
		}
		l.Models = append(l.Models, p)
	}
	for _, e := range r.entries(top["files"], "files") {
		x := r.entry(spec.Word{Pos: e.Key.Pos}, e.Value)
		l.Files = append(l.Files, &Pinned{Name: e.Key.Text, Entries: []Entry{x}, pos: e.Key.Pos})
	}
	return l
}

func (r *reader) kinds(l *Lock, root, v *spec.Value) {
	if v == nil || v.Kind != spec.List {
		r.fail(root.Pos, "kinds is missing or no list")
		return
	}
	for _, item := range v.Items {
		k := r.text(item, "a kind", item)
		l.Kinds, l.kindPos[k] = append(l.Kinds, k), item.Pos
	}
}

// entry reads size and sums of a file.
func (r *reader) entry(name spec.Word, v *spec.Value) Entry {
	e := Entry{Name: name.Text, pos: name.Pos}
	f := r.fields(v, "a file", "size", "sha256", "header", "tensors")
	size := f["size"]
	if size == nil || size.Kind != spec.Int {
		r.fail(name.Pos, "size is missing or no number")
		return e
	}
	var err error
	if e.Size, err = strconv.ParseInt(size.Text, 10, 64); err != nil || e.Size < 0 {
		r.fail(size.Pos, "%s is no size", spec.Quote(size.Text))
	}
	for _, x := range []struct {
		name string
		to   *nodes.Digest
	}{{"sha256", &e.Sum.SHA256}, {"header", &e.Sum.Header}, {"tensors", &e.Sum.Tensors}} {
		d := f[x.name]
		if d == nil {
			if x.name == "sha256" {
				r.fail(name.Pos, "sha256 is missing")
			}
			continue
		}
		if raw, err := hex.DecodeString(d.Text); err != nil || len(raw) != len(x.to) || d.Text != strings.ToLower(d.Text) {
			r.fail(d.Pos, "%s is no SHA-256 of 64 digits", spec.Quote(d.Text))
		} else {
			copy(x.to[:], raw)
		}
	}
	return e
}
