package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html"
	"html/template"
	"io"
	"reflect"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/seed-8af8f8e1/flow/internal/graph"
	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

//go:embed page/page.css
var pageStyle string

//go:embed page/page.js
var pageScript string

//go:embed page/page.html
var pageBody string

var body = template.Must(template.New("page").Funcs(template.FuncMap{
	"picture": picture, "graph": func(g graph.Graph) template.HTML { return template.HTML(graph.Inline(g)) },
	"seconds": seconds, "bar": bar, "bars": bars, "longest": longest, "stepTimes": stepTimes, "counts": counts,
	"bytes": func(n int64) string {
		if n <= 0 {
			return ""
		}
		return humanize.Bytes(uint64(n))
	},
}).Parse(pageBody))

// HTML writes the page: one file that loads nothing. What runs in it is the style sheet and the script whose hashes its policy names.
func (p *Page) HTML(w io.Writer) error {
	for _, r := range p.runs() {
		r.mu.Lock()
		r.draw()
		r.mark()
		r.mu.Unlock()
	}
	clean(reflect.ValueOf(p))
	style := pageStyle + graph.Style
	var b bytes.Buffer
	fmt.Fprintf(&b, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>%s</title>
<style>%s</style>
</head>
<body>
`, hash(style), hash(pageScript), html.EscapeString(p.Title), style)
	if err := body.Execute(&b, p); err != nil {
		return err
	}
	b.WriteString("<script>" + pageScript + "</script>\n</body>\n</html>\n")
	_, err := w.Write(b.Bytes())
	return err
}

// runs are all runs that the page shows.
func (p *Page) runs() []*Run {
	out := slices.Clone(p.Runs)
	for _, t := range p.Tests {
		if t.Run != nil {
			out = append(out, t.Run)
		}
	}
	return out
}

// hash is a source of a content security policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// clean makes every text of the model harmless: none turns the direction of the text around it. What HTML means something by, the template escapes.
func clean(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			clean(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				clean(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range v.Len() {
			clean(v.Index(i))
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(safetext.Lines(v.String()))
		}
	}
}

// picture is a PNG as an address of data.
func picture(data []byte) template.URL {
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(data))
}

// longest is the longest time of nodes, or of steps.
func longest(nodes []*Node) float64 {
	most := 0.0
	for _, n := range nodes {
		most = max(most, n.Seconds)
	}
	return most
}

// bar draws a share of the longest time.
func bar(s, most float64) template.HTML {
	if s <= 0 || most <= 0 {
		return ""
	}
	return template.HTML(fmt.Sprintf(`<svg class="bars" width="100" height="12" role="img"><rect x="0" y="1" width="%.1f" height="10" rx="2"/></svg>`, max(1, 100*s/most)))
}

// bars draws the times of steps, each with its title; before counts those that an earlier run had done.
func bars(steps []float64, before int) template.HTML {
	const height, gap = 72.0, 2.0
	most := slices.Max(steps)
	wide := min(28.0, max(5.0, 900/float64(len(steps))))
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg class="bars" width="%.0f" height="%.0f" role="img">`, wide*float64(len(steps)), height)
	for i, s := range steps {
		h := 1.0
		if most > 0 {
			h = max(1, height*s/most)
		}
		fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>step %d: %s</title></rect>`, wide*float64(i), height-h, wide-gap, h, before+i+1, seconds(s))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// stepTimes says how long steps took.
func stepTimes(steps []float64) string {
	sorted := slices.Sorted(slices.Values(steps))
	return fmt.Sprintf("median %s, longest %s", seconds(sorted[len(sorted)/2]), seconds(sorted[len(sorted)-1]))
}

// counts is how many tests ended how.
func counts(tests []*Test) string {
	n := make(map[string]int)
	for _, t := range tests {
		n[t.State]++
	}
	return Counts(n)
}
