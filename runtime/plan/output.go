package plan

import (
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

// outputs resolves what is written; paths lie below the output folder and are unlike each other.
func (b *builder) outputs(p *Plan) {
	if b.taken == nil {
		b.taken, b.folders = make(map[string]Output), make(map[string]Output)
	}
	taken, folders := b.taken, b.folders
	for _, o := range b.doc.Outputs {
		if b.full() {
			return
		}
		from, port, ok := b.target(o.From.Ref)
		if !ok {
			continue
		}
		if port.Type != nodes.ImageType {
			b.add(spec.Diagnostic{File: b.doc.File, Pos: o.From.Pos, Code: "F0204", Hint: b.like(nodes.ImageType),
				Message: fmt.Sprintf("output %q takes image, and $%s.%s is %s", o.Name.Text, from.Node, port.Name, port.Type),
				Related: []spec.Related{{Pos: from.Pos, Message: fmt.Sprintf("node %q is of kind %s", from.Node, from.Kind.Name)}}})
			continue
		}
		clean, err := outputPath(b.doc.Expand(o.Path.Text))
		if err != nil {
			b.errorf(o.Path.Pos, "F0601", err.hint, "%s", err.problem)
			continue
		}
		out := Output{Name: o.Name.Text, Node: o.Name.Text, From: from, Port: port.Name, Path: clean, Pos: o.Path.Pos}
		if b.matrix != nil {
			out.Cells = []*Cell{b.cell}
			out.Name += b.suffix(b.matrix.varied)
		}
		key := strings.ToLower(clean)
		if other, ok := taken[key]; ok {
			switch {
			case other.Node != out.Node:
				b.clash(out, other, "give one of them another name", "outputs %q and %q are written to one path, %s", other.Node, out.Node, clean)
			case other.From != from || other.Port != port.Name || other.Path != clean:
				b.clashOfCells(out, other)
			default: // the picture does not depend on what differs
				at := slices.IndexFunc(p.Outputs, func(o Output) bool { return o.Name == other.Name })
				p.Outputs[at].Cells = append(p.Outputs[at].Cells, b.cell)
			}
			continue
		}
		if other, ok := folders[key]; ok {
			b.clash(out, other, "give one of them another path", "output %q is the file %s, and output %q lies in a folder of that name", out.Node, clean, other.Node)
			continue
		}
		clashed := false
		for dir := path.Dir(key); dir != "." && !clashed; dir = path.Dir(dir) {
			if other, ok := taken[dir]; ok {
				b.clash(out, other, "give one of them another path", "output %q is the file %s, and output %q lies in a folder of that name", other.Node, other.Path, out.Node)
				clashed = true
			}
			folders[dir] = out
		}
		if clashed {
			continue
		}
		taken[key] = out
		p.Outputs = append(p.Outputs, out)
	}
}

// clash reports two outputs that cannot both be written.
func (b *builder) clash(out, other Output, hint, format string, args ...any) {
	b.add(spec.Diagnostic{File: b.doc.File, Pos: out.Pos, Code: "F0601", Hint: hint, Message: fmt.Sprintf(format, args...),
		Related: []spec.Related{{Pos: other.Pos, Message: "the other one"}}})
}

// pathProblem says why a path is not written, and what to do.
type pathProblem struct{ problem, hint string }

// outputPath checks a path that is written.
func outputPath(file string) (string, *pathProblem) {
	fail := func(hint, format string, args ...any) (string, *pathProblem) {
		return "", &pathProblem{fmt.Sprintf("the path %s ", spec.Quote(file)) + fmt.Sprintf(format, args...), hint}
	}
	slashed := strings.ReplaceAll(file, `\`, "/")
	clean := path.Clean(slashed)
	switch {
	case len(file) > maxPath:
		return fail("shorten it", "has %d bytes or more; outputs have %d", maxPath+1, maxPath)
	case strings.ContainsFunc(file, safetext.Unsafe):
		return fail("", "holds control characters")
	case path.IsAbs(slashed) || len(file) > 1 && file[1] == ':':
		return fail("flow run --out DIR chooses the output folder", "is absolute; outputs lie below the output folder")
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return fail("", "leaves the output folder")
	case clean == "." || strings.HasSuffix(slashed, "/"):
		return fail("end it in NAME.png", "names no file")
	case !strings.EqualFold(path.Ext(clean), ".png"):
		return fail("end it in .png", "does not end in .png, the format that images are written in")
	}
	for _, name := range strings.Split(clean, "/") {
		if len(name) > maxName {
			return fail("shorten it", "has a name of %d bytes; file systems take %d", len(name), maxName)
		}
		if why := refusedByWindows(name); why != "" && runtime.GOOS == "windows" {
			return fail("choose another name", "%s", why)
		}
	}
	return clean, nil
}

// maxPath is the number of bytes that a path may have.
const maxPath = 2048

// maxName is the number of bytes of a name that file systems take.
const maxName = 255

// refusedByWindows says why Windows cannot have a file of this name; empty if it can.
func refusedByWindows(name string) string {
	if i := strings.IndexAny(name, `<>:"|?*`); i >= 0 {
		return fmt.Sprintf("holds %q, which Windows refuses", name[i:i+1])
	}
	if strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return fmt.Sprintf("has the name %q, whose last character Windows drops", name)
	}
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch stem = strings.TrimRight(stem, " "); {
	case stem == "CON" || stem == "PRN" || stem == "AUX" || stem == "NUL" || stem == "CONIN$" || stem == "CONOUT$":
	case len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") && stem[3] >= '0' && stem[3] <= '9':
	default:
		return ""
	}
	return fmt.Sprintf("has the name %q, which is a device on Windows", name)
}
