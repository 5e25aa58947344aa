package bench

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

var titles = map[string]string{
	Limits: "limits of this machine",
	Ops:    "operations",
	Jobs:   "parts of the model",
	Parts:  "where their time goes, a run or a step",
}

// Table writes a report as text: a median with the least and the greatest of its runs.
func Table(w io.Writer, r *Report) error {
	var b strings.Builder
	fmt.Fprintln(&b, r.Machine.line())
	fmt.Fprintln(&b, r.Settings.line())
	if r.Busy() {
		fmt.Fprintf(&b, "other work ran beside this: it had %.0f%% of its processors, and the figures are no measurement\n", 100*r.Processor)
	}
	for _, g := range Groups {
		table(&b, r, g)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// line says in one line what the machine is.
func (m Machine) line() string {
	return fmt.Sprintf("%s, %d cores, tier %s (of %s), %s/%s, flow %s, %s", cmp.Or(m.CPU, "processor without a name"), m.Cores, m.Tier, strings.Join(m.Tiers, ", "), m.OS, m.Arch, m.Flow, m.Go)
}

func (s Settings) line() string {
	line := fmt.Sprintf("%s, %s, median of %d runs (least to greatest)", s.Precision, workers(s.Threads), s.Repeat)
	if s.Model != "" {
		line = fmt.Sprintf("model %s, %dx%d, batch %d, %d evaluations, ", s.Model, s.Width, s.Height, s.Batch, s.Steps) + line
	}
	return line
}

// table writes the rows of a group.
func table(b *strings.Builder, r *Report, group string) {
	var rows []Row
	peak, shares := false, false
	for _, row := range r.Rows {
		if row.Group == group {
			rows = append(rows, row)
			peak, shares = peak || row.PeakRSS > 0, shares || row.Share > 0
		}
	}
	if rows == nil {
		return
	}
	var numbers strings.Builder
	t := tabwriter.NewWriter(&numbers, 0, 0, 1, ' ', tabwriter.AlignRight)
	head := "time\t\trate\t\t"
	if shares {
		head += "of the limit\t"
	}
	if peak {
		head += "resident\t"
	}
	fmt.Fprintln(t, head)
	for _, row := range rows {
		took := row.Took()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t", duration(took.Median), between(duration(took.Min), duration(took.Max)),
			rate(row.Rate.Median, row.Unit), between(number(row.Rate.Min), number(row.Rate.Max)))
		if shares {
			fmt.Fprintf(t, "%s\t", share(row.Share))
		}
		if peak {
			fmt.Fprintf(t, "%.2f GB\t", float64(row.PeakRSS)/1e9)
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // a strings.Builder takes everything
	b.WriteByte('\n')
	named(b, titles[group], rows, strings.SplitAfter(numbers.String(), "\n"))
}

// named writes lines behind the names of their rows, which stand on the left, and notes below.
func named(b *strings.Builder, title string, rows []Row, lines []string) {
	width := len(title)
	for _, row := range rows {
		width = max(width, len(row.Name))
	}
	fmt.Fprintf(b, "%-*s %s", width, title, lines[0])
	for i, row := range rows {
		fmt.Fprintf(b, "%-*s %s", width, row.Name, lines[i+1])
		if row.Note != "" {
			fmt.Fprintf(b, "%-*s %s\n", width, "", row.Note)
		}
	}
}

// share is a part of a limit; "" where there is none.
func share(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f%%", 100*v)
}

// between is a range; "" where there is none.
func between(least, most string) string {
	if least == most {
		return ""
	}
	return "(" + least + " to " + most + ")"
}

// duration is a time with three digits.
func duration(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.3g us", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.3g ms", s*1e3)
	}
	return fmt.Sprintf("%.2f s", s)
}

func rate(v float64, unit string) string {
	return fmt.Sprintf("%s G%s/s", number(v), map[string]string{FLOP: "FLOP", Bytes: "B"}[unit])
}

// number is a rate in 10^9 a second.
func number(v float64) string { return fmt.Sprintf("%.1f", v/1e9) }

// ChangesTable writes a comparison as text.
func ChangesTable(w io.Writer, changes []Change) error {
	var b strings.Builder
	width := 0
	for _, c := range changes {
		width = max(width, len(c.Name))
	}
	fmt.Fprintf(&b, "%-*s  %10s  %10s  %6s  %s\n", width, "compared", "before", "now", "ratio", "least to most")
	for _, c := range changes {
		mark := ""
		switch {
		case c.Outside && c.Ratio > 1:
			mark = "  faster"
		case c.Outside:
			mark = "  slower"
		}
		fmt.Fprintf(&b, "%-*s  %10s  %10s  %6.2f  %.2f to %.2f%s\n", width, c.Name, duration(c.Before.Median), duration(c.After.Median), c.Ratio, c.Least, c.Most, mark)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
