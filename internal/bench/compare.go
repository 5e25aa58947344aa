package bench

import "slices"

// Change is a row of two reports.
type Change struct {
	Group  string  `json:"group"`
	Name   string  `json:"name"`
	Before Spread  `json:"before_seconds"`
	After  Spread  `json:"after_seconds"`
	Ratio  float64 `json:"ratio"` // of the medians, before to after: 2 is twice as fast
	// Least and Most bound the ratio of any run before to any run after.
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
	// Outside says that all runs of one report are quicker than all runs of the other, of which there are three at least.
	Outside bool `json:"outside"`
}

// leastRuns is the least number of runs that have a spread to speak of.
const leastRuns = 3

// Compare gives the rows that both reports have, in the order of after, and the names of those that one alone has in a group
// that both measured.
func Compare(before, after *Report) (changes []Change, alone []string) {
	for i := range after.Rows {
		row := &after.Rows[i]
		old := before.Find(row.Group, row.Name)
		if old == nil {
			if before.measured(row.Group) {
				alone = append(alone, row.Name)
			}
			continue
		}
		b, a := old.Took(), row.Took()
		c := Change{Group: row.Group, Name: row.Name, Before: b, After: a, Ratio: b.Median / a.Median, Least: b.Min / a.Max, Most: b.Max / a.Min}
		c.Outside = (c.Least > 1 || c.Most < 1) && min(len(old.Seconds), len(row.Seconds)) >= leastRuns
		changes = append(changes, c)
	}
	for i := range before.Rows {
		if row := &before.Rows[i]; after.measured(row.Group) && after.Find(row.Group, row.Name) == nil {
			alone = append(alone, row.Name)
		}
	}
	return changes, alone
}

// measured says whether a report has rows of a group.
func (r *Report) measured(group string) bool {
	return slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Group == group })
}

// Differences says in what, beside the release, two reports were made differently.
func Differences(before, after *Report) (list []string) {
	b, a := before.Machine, after.Machine
	for _, d := range []struct {
		what string
		same bool
	}{
		{"the processor", b.CPU == a.CPU && b.Cores == a.Cores && b.Arch == a.Arch && b.OS == a.OS},
		{"the kernels in use", b.Tier == a.Tier},
		{"the number of workers", before.Settings.Threads == after.Settings.Threads},
		{"the model", before.Settings.Model == after.Settings.Model || before.Settings.Model == "" || after.Settings.Model == ""},
	} {
		if !d.same {
			list = append(list, d.what)
		}
	}
	return list
}
