package graph

import (
	"fmt"
	"html"
	"strings"
)

// Measures of the drawing in pixels.
const (
	charWidth  = 7.3
	boxHeight  = 44
	noteHeight = 15
	gapX       = 96
	gapY       = 22
	margin     = 16
)

// box is a placed node.
type box struct{ x, y, w float64 }

// Style is the style sheet of a drawn graph, light and dark.
const Style = ".graph rect{fill:#f6f8fa;stroke:#57606a}.graph text{fill:#1f2328}.graph .k{fill:#57606a;font-size:11px}.graph path{fill:none;stroke:#8c959f}.graph marker path{fill:#8c959f}.graph .e{fill:#57606a;font-size:10px}" +
	"@media(prefers-color-scheme:dark){.graph rect{fill:#161b22;stroke:#8b949e}.graph text{fill:#e6edf3}.graph .k,.graph .e{fill:#8b949e}.graph path{stroke:#6e7681}}"

// svg draws boxes in columns: a box stands one column right of the last that it reads.
func svg(g Graph, style string) string {
	tall := boxHeight
	for _, n := range g.Nodes {
		if n.Note != "" {
			tall = boxHeight + noteHeight
		}
	}
	boxes, width, height := place(g, float64(tall))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="graph" xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="ui-sans-serif, sans-serif" font-size="13">`+"\n", width, height, width, height)
	if style != "" {
		b.WriteString("<style>" + style + "</style>\n")
	}
	b.WriteString(`<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>` + "\n")
	entries, entered := make([]int, len(g.Nodes)), make([]int, len(g.Nodes))
	for _, e := range g.Edges {
		entries[e.To]++
	}
	for _, e := range g.Edges { // those that end at one box end below each other
		from, to := boxes[e.From], boxes[e.To]
		entered[e.To]++
		x1, y1, x2, y2 := from.x+from.w, from.y+float64(tall)/2, to.x, to.y+float64(tall*entered[e.To])/float64(entries[e.To]+1)
		fmt.Fprintf(&b, `<path d="M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0f" marker-end="url(#a)"/>`+"\n", x1, y1, x1+gapX/2, y1, x2-gapX/2, y2, x2, y2)
		fmt.Fprintf(&b, `<text class="e" x="%.0f" y="%.0f" text-anchor="end">%s</text>`+"\n", x2-12, y2-3, html.EscapeString(e.Label))
	}
	for i, n := range g.Nodes {
		radius, class := 4, ""
		if n.Output {
			radius = tall / 2
		}
		if n.Mark != "" {
			class = ` class="` + n.Mark + `"`
		}
		if n.Fill > 0 {
			class += fmt.Sprintf(` fill-opacity="%.2f"`, min(1, n.Fill))
		}
		fmt.Fprintf(&b, `<rect%s x="%.0f" y="%.0f" width="%.0f" height="%d" rx="%d"/>`+"\n", class, boxes[i].x, boxes[i].y, boxes[i].w, tall, radius)
		middle := boxes[i].x + boxes[i].w/2
		fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" text-anchor="middle">%s</text>`+"\n", middle, boxes[i].y+18, html.EscapeString(n.Name))
		fmt.Fprintf(&b, `<text class="k" x="%.0f" y="%.0f" text-anchor="middle">%s</text>`+"\n", middle, boxes[i].y+34, html.EscapeString(n.Kind))
		if n.Note != "" {
			fmt.Fprintf(&b, `<text class="k" x="%.0f" y="%.0f" text-anchor="middle">%s</text>`+"\n", middle, boxes[i].y+34+noteHeight, html.EscapeString(n.Note))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// place gives every node its box. Edges go from lower to higher indices.
func place(g Graph, tall float64) (boxes []box, width, height float64) {
	column := make([]int, len(g.Nodes))
	for i := range g.Nodes {
		for _, e := range g.Edges {
			if e.To == i {
				column[i] = max(column[i], column[e.From]+1)
			}
		}
	}
	var widths []float64
	for i, n := range g.Nodes {
		for len(widths) <= column[i] {
			widths = append(widths, 0)
		}
		w := charWidth*float64(max(len([]rune(n.Name)), len([]rune(n.Kind)), len([]rune(n.Note)))) + 28
		widths[column[i]] = max(widths[column[i]], w)
	}
	rows := make([]int, len(widths))
	boxes = make([]box, len(g.Nodes))
	for i := range g.Nodes {
		x := float64(margin)
		for c := range column[i] {
			x += widths[c] + gapX
		}
		boxes[i] = box{x, margin + float64(rows[column[i]])*(tall+gapY), widths[column[i]]}
		rows[column[i]]++
		width = max(width, x+widths[column[i]]+margin)
		height = max(height, boxes[i].y+tall+margin)
	}
	return boxes, width, height
}
