package spec

import (
	"fmt"
	"strings"
)

// references checks that everything that is referred to is declared, finds cycles and what nothing uses.
func (p *parser) references() {
	used := make(map[string]bool)
	edges := make(map[string][]edge)
	for _, n := range p.d.Nodes {
		for _, a := range n.Args {
			p.walk(a.Value, func(v *Value) {
				if v.Ref != nil && p.resolve(v, used) && v.Ref.Root == NodeRoot {
					edges[n.Name.Text] = append(edges[n.Name.Text], edge{v.Ref.Name.Text, v.Pos})
				}
				p.template(v)
			})
		}
	}
	for _, o := range p.d.Outputs {
		p.resolve(o.From, used)
		p.template(o.Path)
	}
	for _, t := range p.d.Tests {
		for _, x := range t.Expect {
			used[x.Node.Text] = true
		}
	}
	p.cycles(edges)
	p.unused(used)
}

// edge is a reference to another node.
type edge struct {
	to  string
	pos Pos
}

// walk visits a value and all in it.
func (p *parser) walk(v *Value, visit func(*Value)) {
	visit(v)
	for _, x := range v.Items {
		p.walk(x, visit)
	}
	for _, e := range v.Entries {
		p.walk(e.Value, visit)
	}
}

// resolve checks one reference.
func (p *parser) resolve(v *Value, used map[string]bool) bool {
	name := v.Ref.Name
	found := false
	what := ""
	switch v.Ref.Root {
	case ParamsRoot:
		what = "parameter"
		if x := p.d.Param(name.Text); x != nil {
			x.used, found = true, true
		}
	case ModelsRoot:
		what = "model"
		if x := p.d.Model(name.Text); x != nil {
			x.used, found = true, true
		}
	case FilesRoot:
		what = "file"
		if x := p.d.InputFile(name.Text); x != nil {
			x.used, found = true, true
		}
	default:
		what = "node"
		found = p.d.Node(name.Text) != nil
		used[name.Text] = true
	}
	if !found {
		p.unknown(what, name, v.Ref.Root)
	}
	return found
}

func (p *parser) unknown(what string, name Word, root Root) {
	block := map[Root]string{NodeRoot: "nodes", ParamsRoot: "params", ModelsRoot: "models", FilesRoot: "files"}[root]
	if p.full() || p.declared[block][name.Text] { // a faulty declaration is reported where it stands
		return
	}
	names := p.d.names(root)
	hint := Suggest(name.Text, names)
	if hint == "" {
		hint = "declare it under " + block
	}
	p.errorf(name.Pos, "F0202", hint, "there is no %s %s", what, Quote(name.Text))
}

// template checks the places of a template.
func (p *parser) template(v *Value) {
	if v.Kind != String || v.Ref != nil {
		return
	}
	for _, h := range holes(v.Text) {
		if p.full() {
			return
		}
		if h.literal || h.name == "name" {
			continue
		}
		pos := v.at(h.start, h.end)
		param, ok := strings.CutPrefix(h.name, "params.")
		if !ok || !nameText.MatchString(param) {
			hint := "write ${params.NAME} or ${name}; $${ stands for ${"
			if nameText.MatchString(h.name) && p.d.Param(h.name) != nil {
				hint = fmt.Sprintf("write ${params.%s}", h.name)
			}
			p.errorf(pos, "F0201", hint, "%s fills nothing in", Quote(v.Text[h.start:h.end]))
			continue
		}
		x := p.d.Param(param)
		if x == nil {
			at := h.start + len("${params.")
			p.unknown("parameter", Word{param, v.at(at, at+len(param))}, ParamsRoot)
			continue
		}
		x.used = true
	}
}

// cycles reports each circle of nodes once, as a path with the place of every step.
func (p *parser) cycles(edges map[string][]edge) {
	const (
		fresh = iota
		open
		done
	)
	state := make(map[string]int)
	var path []string
	var steps []edge
	var visit func(name string)
	visit = func(name string) {
		state[name] = open
		path = append(path, name)
		for _, e := range edges[name] {
			steps = append(steps, e)
			switch state[e.to] {
			case fresh:
				visit(e.to)
			case open:
				p.cycle(path, steps, e.to)
			}
			steps = steps[:len(steps)-1]
		}
		path = path[:len(path)-1]
		state[name] = done
	}
	for _, n := range p.d.Nodes {
		if state[n.Name.Text] == fresh {
			visit(n.Name.Text)
		}
	}
}

// maxCircle is the number of nodes of a circle that are named.
const maxCircle = 12

func (p *parser) cycle(path []string, steps []edge, back string) {
	start := 0
	for path[start] != back {
		start++
	}
	if p.full() {
		return
	}
	names := append(append([]string(nil), path[start:]...), back)
	around := steps[len(steps)-(len(names)-1):]
	d := Diagnostic{Pos: around[len(around)-1].pos, Code: "F0501", Hint: "take one of these references out"}
	for i, e := range around {
		if len(around) > maxCircle && i >= maxCircle/2 && i < len(around)-maxCircle/2 {
			continue
		}
		d.Related = append(d.Related, Related{e.pos, fmt.Sprintf("%s reads %s", shorten(names[i]), shorten(names[i+1]))})
	}
	if n := len(names); n > maxCircle+1 {
		names = append(append(names[:maxCircle/2:maxCircle/2], fmt.Sprintf("... %d more ...", n-1-maxCircle)), names[n-1-maxCircle/2:]...)
	}
	for i := range names {
		names[i] = shorten(names[i])
	}
	d.Message = "nodes depend on each other in a circle: " + strings.Join(names, " -> ")
	p.add(d)
}

// unused warns of what is declared and read by nothing.
func (p *parser) unused(used map[string]bool) {
	warn := func(n Word, what string) {
		p.warnf(n.Pos, "F0604", "take it out, or use it", "%s %s is not used", what, Quote(n.Text))
	}
	for _, x := range p.d.Params {
		if !x.used {
			warn(x.Name, "parameter")
		}
	}
	for _, x := range p.d.Models {
		if !x.used {
			warn(x.Name, "model")
		}
	}
	for _, x := range p.d.Files {
		if !x.used {
			warn(x.Name, "file")
		}
	}
	if len(p.d.Outputs) == 0 {
		if p.d.Root.Get("outputs") == nil || len(p.d.Root.Get("outputs").Entries) == 0 {
			p.warnf(p.key(p.d.Root, "nodes"), "F0603", "add outputs: {picture: {from: $NODE.image, path: out/picture.png}}", "the workflow has no outputs: it runs and writes nothing")
		}
		return
	}
	for _, n := range p.d.Nodes {
		if !used[n.Name.Text] {
			warn(n.Name, "node")
		}
	}
}
