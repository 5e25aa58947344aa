package digests

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

// short is a digest as it is shown: what tells it apart.
func short(digest string) string { return safetext.Line(digest[:min(12, len(digest))]) }

// Table writes a document as text: a line a workflow and class with what it came to, and below it, where makers differ, what each made.
// recorded are the makers whose digests were not made now but read.
func Table(w io.Writer, d *Document, recorded []string) error {
	var b strings.Builder
	var now []string
	for _, by := range d.Makers() {
		if !slices.Contains(recorded, by) {
			now = append(now, by)
		}
	}
	if len(now) > 0 {
		fmt.Fprintf(&b, "made now: %s\n", words(now))
	}
	if len(recorded) > 0 {
		fmt.Fprintf(&b, "read:     %s\n", words(recorded))
	}
	wide := len("workflow")
	for i := range d.Rows {
		wide = max(wide, len(safetext.Line(d.Rows[i].Workflow)))
	}
	fmt.Fprintf(&b, "\n%-*s  %-26s %-12s  %-12s  %s\n", wide, "workflow", "numerics", "latents", "pixels", "made by")
	for i := range d.Rows {
		row := &d.Rows[i]
		name := fmt.Sprintf("%-*s  %-26s", wide, safetext.Line(row.Workflow), safetext.Line(row.What()))
		makers := slices.Sorted(maps.Keys(row.Made))
		if row.Equal() {
			first := row.Made[makers[0]]
			fmt.Fprintf(&b, "%s %s  %s  all %d the same\n", name, short(first.Latents), short(first.Pixels), len(makers))
			continue
		}
		for _, by := range makers {
			fmt.Fprintf(&b, "%s %s  %s  %s\n", name, short(row.Made[by].Latents), short(row.Made[by].Pixels), safetext.Line(by))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", d.verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

// Differing lists the rows in which makers differ.
func (d *Document) Differing() (list []string) {
	for i := range d.Rows {
		if row := &d.Rows[i]; !row.Equal() {
			list = append(list, row.Workflow+" ("+row.What()+")")
		}
	}
	return list
}

// verdict says in a line what the table shows.
func (d *Document) verdict() string {
	if n := len(d.Differing()); n > 0 {
		return fmt.Sprintf("%d of %d rows differ", n, len(d.Rows))
	}
	return fmt.Sprintf("all equal: %d rows, each by what is named above", len(d.Rows))
}

func words(list []string) string {
	shown := make([]string, len(list))
	for i, s := range list {
		shown[i] = safetext.Line(s)
	}
	return strings.Join(shown, "; ")
}
