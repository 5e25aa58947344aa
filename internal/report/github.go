package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

// Annotations writes what failed as workflow commands, which GitHub shows beside the lines.
func Annotations(w io.Writer, tests []*Test, orphans []string) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	var b strings.Builder
	for _, t := range tests {
		for _, c := range t.Causes() {
			fmt.Fprintf(&b, "::error file=%s", property.Replace(safetext.Line(t.File)))
			if c.Line > 0 {
				fmt.Fprintf(&b, ",line=%d,col=%d", c.Line, c.Column)
			}
			fmt.Fprintf(&b, ",title=%s::%s\n", property.Replace(safetext.Line("flow test: "+t.Name)), data.Replace(safetext.Lines(c.Text)))
		}
	}
	for _, o := range orphans {
		fmt.Fprintf(&b, "::warning file=%s,title=flow test::%s\n", property.Replace(safetext.Line(o)), data.Replace(safetext.Line("no test expects the golden "+o)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Summary writes tests as the markdown of a step summary.
func Summary(w io.Writer, tests []*Test, orphans, staged []string) error {
	var b strings.Builder
	n := make(map[string]int)
	for _, t := range tests {
		n[t.State]++
	}
	fmt.Fprintf(&b, "## flow test: %s\n\n", Counts(n))
	b.WriteString("| | test | file | seconds | what decided |\n|---|---|---|---:|---|\n")
	mark := map[string]string{Passed: "✅", Failed: "❌", Errored: "⛔", Skipped: "⏭️", Changed: "✏️"}
	for _, t := range tests {
		var why []string
		for _, c := range t.Causes() {
			why = append(why, c.Text)
		}
		if why == nil {
			for _, x := range t.Expected {
				why = append(why, x.Output+": "+x.Reason)
			}
		}
		if why == nil && t.Message != "" {
			why = append(why, t.Message)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.1f | %s |\n", mark[t.State], cell(t.Name), cell(t.File), t.Seconds, cell(strings.Join(why, "\n")))
	}
	list := func(title string, names []string) {
		if len(names) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s\n\n", title)
		for _, s := range names {
			fmt.Fprintf(&b, "- %s\n", cell(s))
		}
	}
	list("Goldens that no test expects:", orphans)
	list("Goldens that are staged (`flow test accept` takes them):", staged)
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}

// Counts is how many tests ended how, in words.
func Counts(n map[string]int) string {
	var parts []string
	for _, x := range []struct{ state, word string }{{Passed, "passed"}, {Changed, "updated"}, {Failed, "failed"}, {Errored, "could not be judged"}, {Skipped, "not run"}} {
		if n[x.state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[x.state], x.word))
		}
	}
	if parts == nil {
		return "no tests"
	}
	return strings.Join(parts, ", ")
}

// cell is a text inside a table of markdown: no character of it is markup, and line breaks are <br>.
func cell(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		var b strings.Builder
		for _, r := range safetext.Line(line) {
			if strings.ContainsRune("&<>\"'\\`*_{}[]()#+!|~$@:", r) { // @ and : begin mentions, references and addresses
				fmt.Fprintf(&b, "&#%d;", r)
				continue
			}
			b.WriteRune(r)
		}
		lines = append(lines, b.String())
	}
	return strings.Join(lines, "<br>")
}
