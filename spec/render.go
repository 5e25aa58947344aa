package spec

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

// Formats of diagnostics.
var Formats = []string{"text", "json", "sarif", "github"}

// Render writes diagnostics in one of [Formats]. sources has the text of files by name, for
// quoted lines; width cuts them to a terminal, 0 for none. release names the tool in SARIF.
func Render(w io.Writer, format string, list []Diagnostic, sources map[string][]byte, width int, release string) error {
	switch format {
	case "json":
		return renderJSON(w, list)
	case "sarif":
		return renderSARIF(w, list, release)
	case "github":
		return renderGitHub(w, list)
	case "text":
		return renderText(w, list, sources, width)
	}
	return fmt.Errorf("there is no format %q; it is one of %s", format, strings.Join(Formats, ", "))
}

type jsonDiagnostic struct {
	File     string        `json:"file"`
	Line     int           `json:"line,omitempty"`
	Column   int           `json:"column,omitempty"`
	Length   int           `json:"length,omitempty"`
	Severity string        `json:"severity"`
	Code     string        `json:"code"`
	Message  string        `json:"message"`
	Hint     string        `json:"hint,omitempty"`
	Related  []jsonRelated `json:"related,omitempty"`
}

type jsonRelated struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

func renderJSON(w io.Writer, list []Diagnostic) error {
	out := make([]jsonDiagnostic, 0, len(list))
	for _, d := range list {
		j := jsonDiagnostic{File: d.File, Line: d.Pos.Line, Column: d.Pos.Col, Length: d.Pos.Len, Severity: d.Severity.String(), Code: d.Code, Message: d.Message, Hint: d.Hint}
		for _, r := range d.Related {
			j.Related = append(j.Related, jsonRelated{r.Pos.Line, r.Pos.Col, r.Message})
		}
		out = append(out, j)
	}
	return encode(w, map[string]any{"diagnostics": out})
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(safetext.JSON(w))
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// renderSARIF writes SARIF 2.1.0.
func renderSARIF(w io.Writer, list []Diagnostic, release string) error {
	type m = map[string]any
	rules, seen := []m{}, map[string]bool{}
	results := []m{}
	location := func(file string, p Pos, message string) m {
		physical := m{"artifactLocation": m{"uri": uri(file)}}
		if p.Known() {
			physical["region"] = m{"startLine": p.Line, "startColumn": p.Col, "endColumn": p.Col + max(1, p.Len)}
		}
		l := m{"physicalLocation": physical}
		if message != "" {
			l["message"] = m{"text": message}
		}
		return l
	}
	for _, d := range list {
		if !seen[d.Code] {
			seen[d.Code] = true
			for _, c := range Codes {
				if c.ID == d.Code {
					rules = append(rules, m{"id": c.ID, "name": c.Title, "shortDescription": m{"text": c.Title}, "fullDescription": m{"text": c.Explanation}})
				}
			}
		}
		text := d.Message
		if d.Hint != "" {
			text += " (" + d.Hint + ")"
		}
		r := m{"ruleId": d.Code, "level": d.Severity.String(), "message": m{"text": text}, "locations": []m{location(d.File, d.Pos, "")}}
		var related []m
		for _, x := range d.Related {
			related = append(related, location(d.File, x.Pos, x.Message))
		}
		if related != nil {
			r["relatedLocations"] = related
		}
		results = append(results, r)
	}
	return encode(w, m{"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": []m{{"tool": m{"driver": m{"name": "flow", "version": release, "rules": rules}}, "results": results, "columnKind": "unicodeCodePoints"}}})
}

// uri escapes a file name as a relative URI.
func uri(file string) string {
	var b strings.Builder
	for _, c := range []byte(strings.ReplaceAll(file, `\`, "/")) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("/-._~@+", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// renderGitHub writes workflow commands that GitHub shows as annotations.
func renderGitHub(w io.Writer, list []Diagnostic) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	var b strings.Builder
	for _, d := range list {
		text := d.Message
		if d.Hint != "" {
			text += " (" + d.Hint + ")"
		}
		fmt.Fprintf(&b, "::%s file=%s", d.Severity, property.Replace(safetext.Line(d.File)))
		if d.Pos.Known() {
			fmt.Fprintf(&b, ",line=%d,col=%d,endColumn=%d", d.Pos.Line, d.Pos.Col, d.Pos.Col+max(1, d.Pos.Len))
		}
		fmt.Fprintf(&b, ",title=%s::%s\n", property.Replace(d.Code), data.Replace(safetext.Line(text)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
