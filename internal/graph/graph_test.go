package graph

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

func hostile() Graph {
	return Graph{
		Nodes: []Node{{Name: "base", Kind: "load-model"}, {Name: "latents", Kind: "denoise"}, {Name: "pic", Kind: `out/"<script>&.png`, Output: true}},
		Edges: []Edge{{0, 1, "model"}, {1, 2, "image"}},
	}
}

func TestForms(t *testing.T) {
	for form, want := range map[string][]string{
		"mermaid": {"flowchart LR", `n0["base<br/>load-model"]`, "n0 -->|model| n1", "#lt;script#gt;"},
		"dot":     {"digraph", `n0 -> n1 [label="model"]`, `out/\"<script>`},
		"svg":     {"<svg", ">base</text>", "&lt;script&gt;"},
	} {
		var b bytes.Buffer
		if err := Write(&b, form, hostile()); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s lacks %q:\n%s", form, w, b.String())
			}
		}
	}
	if err := Write(io.Discard, "gif", Graph{}); err == nil {
		t.Error("an unknown form is accepted")
	}
}

func TestSVGIsXMLAndBoxesDoNotOverlap(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, "svg", hostile()); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(&b); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	g := Graph{Nodes: make([]Node, 9)}
	for i := range 9 {
		for j := range i {
			if (i+j)%3 == 0 {
				g.Edges = append(g.Edges, Edge{j, i, "x"})
			}
		}
	}
	boxes, w, h := place(g)
	for i, a := range boxes {
		if a.x+a.w > w || a.y+boxHeight > h {
			t.Errorf("box %d leaves the drawing", i)
		}
		for j, o := range boxes[:i] {
			if a.x < o.x+o.w && o.x < a.x+a.w && a.y < o.y+boxHeight && o.y < a.y+boxHeight {
				t.Errorf("boxes %d and %d overlap", i, j)
			}
		}
	}
}
