package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/seed-8af8f8e1/flow/internal/provenance"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/spec"
)

// maxPicture bounds the size of a picture's file.
const maxPicture = 1 << 30

// pictureFile is a picture with what its texts say.
type pictureFile struct {
	name, sum string // of the file; sum is its SHA-256 in hex
	data      []byte
	texts     []provenance.Text
	record    *provenance.Record // nil where there is none
}

// isPicture says whether a file begins as a PNG does.
func isPicture(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 8)
	_, err = io.ReadFull(f, head)
	return err == nil && provenance.IsPNG(head)
}

// openPicture reads a picture's file. A record that cannot be read is an error; that there is none is not.
func openPicture(name string) (*pictureFile, error) {
	info, err := os.Stat(name)
	if broken := new(fs.PathError); errors.As(err, &broken) {
		return nil, &exitError{exitFile, fmt.Sprintf("%s: %v", name, broken.Err)}
	} else if err != nil {
		return nil, &exitError{exitFile, err.Error()}
	}
	if !info.Mode().IsRegular() || info.Size() > maxPicture {
		return nil, &exitError{exitFile, fmt.Sprintf("%s is no picture: no regular file of at most %s", name, humanize.IBytes(maxPicture))}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, &exitError{exitFile, err.Error()}
	}
	p := &pictureFile{name: name, sum: digest(data), data: data}
	if p.texts, err = provenance.Texts(bytes.NewReader(data)); err == nil {
		p.record, err = provenance.Find(p.texts)
	}
	if err != nil && !errors.Is(err, provenance.ErrNone) {
		return nil, &exitError{exitFile, fmt.Sprintf("%s: %v", name, err)}
	}
	return p, nil
}

// recorded is openPicture for a picture that must say what made it.
func recorded(name string) (*pictureFile, error) {
	p, err := openPicture(name)
	if err == nil && p.record == nil {
		err = &exitError{exitFile, fmt.Sprintf("%s: %v; pictures that flow run writes do, unless --no-metadata is given", name, provenance.ErrNone)}
	}
	return p, err
}

// pictureWorkflow reads and plans the workflow that a picture holds, for the one output that the picture is. Nothing that it says chooses a folder:
// the output goes to the current one, under its last name, and models are looked for there and in the roots.
func (a *app) pictureWorkflow(ctx context.Context, p *pictureFile, f *workflowFlags, set func(*flowruntime.Options)) (*flowruntime.Workflow, error) {
	opt, diags, err := a.options("./"+filepath.Base(p.name), f)
	if err != nil {
		return nil, err
	}
	opt.Folder, opt.Fresh = ".", true
	set(&opt)
	doc, more := spec.Parse(p.name, []byte(p.record.Workflow))
	diags = append(diags, more...)
	if doc != nil {
		doc.Outputs = theOutput(doc.Outputs, p.record.Output)
	}
	diags = errorsOf(diags)
	if doc != nil && len(doc.Outputs) == 0 && len(diags) == 0 {
		return nil, &exitError{exitFile, fmt.Sprintf("%s: its workflow has no output %s", p.name, spec.Quote(p.record.Output))}
	}
	w, diags := flowruntime.ReadDocument(ctx, doc, diags, opt)
	if diags = errorsOf(diags); len(diags) > 0 {
		if w != nil {
			w.Close()
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := spec.Render(a.err, f.format, diags, map[string][]byte{p.name: []byte(p.record.Workflow)}, 0, release()); err != nil {
			return nil, err
		}
		return nil, &exitError{exitFile, "the workflow in " + p.name + " cannot be run here; its files are looked for in the current folder and in those of --models"}
	}
	for i := range w.Plan.Outputs {
		w.Plan.Outputs[i].Path = path.Base(w.Plan.Outputs[i].Path)
	}
	return w, nil
}

func theOutput(list []*spec.Output, name string) []*spec.Output {
	for _, o := range list {
		if o.Name.Text == name {
			return []*spec.Output{o}
		}
	}
	return nil
}

// errorsOf leaves warnings out: they were for the author of the workflow.
func errorsOf(list []spec.Diagnostic) []spec.Diagnostic {
	var out []spec.Diagnostic
	for _, d := range list {
		if d.Severity == spec.Error {
			out = append(out, d)
		}
	}
	return out
}

// pixels decodes the picture.
func (p *pictureFile) pixels() (*nodes.Image, error) {
	m, err := nodes.DecodePNG(p.data)
	if err != nil {
		return nil, &exitError{exitFile, fmt.Sprintf("%s: %v", p.name, strings.TrimPrefix(err.Error(), "png: "))}
	}
	return m, nil
}
