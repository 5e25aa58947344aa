package graph

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

func hostile() Graph {
	return Graph{
		Nodes: []Node{{Name: "base", Kind: "load-model"}, {Name: "latents", Kind: "denoise"}, {Name: "pic", Kind: `out/"<script>&.png`, Output: true}},
		Edges: []Edge{{0, 1, "model"}, {1, 2, "image"}},
	}
}

// Text that XML, a terminal or the reader's eye cannot take is replaced.
func TestControlCharacters(t *testing.T) {
	g := Graph{Nodes: []Node{{Name: "a\x01\ufffe\u202e", Kind: "b\x1b[2J\r\n\u2028"}}}
	for _, form := range Forms {
		var b bytes.Buffer
		if err := Write(&b, form, g); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(b.String(), func(r rune) bool { return safetext.Unsafe(r) && r != '\n' }); i >= 0 {
			t.Errorf("%s has %q", form, b.String()[i:])
		}
		if form != "svg" {
			continue
		}
		for d := xml.NewDecoder(&b); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
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
	boxes, w, h := place(g, boxHeight)
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
