package spec

import (
	"fmt"
	"sort"

	"github.com/agext/levenshtein"
)

// Pos is a place in a file: line and column from 1, columns in characters, and the
// number of characters that are meant. A zero Pos is unknown.
type Pos struct {
	Line, Col, Len int
}

// Known says whether the position is one.
func (p Pos) Known() bool { return p.Line > 0 }

// Severity of a diagnostic.
type Severity uint8

// Severities.
const (
	Error Severity = iota
	Warning
)

// String names the severity.
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Related is another place that a diagnostic speaks of.
type Related struct {
	Pos     Pos
	Message string
}

// Diagnostic is one mistake, or one thing to know.
type Diagnostic struct {
	File     string
	Pos      Pos
	Severity Severity
	Code     string // of [Codes]
	Message  string
	Hint     string // what to do about it
	Related  []Related
}

// Error implements error.
func (d Diagnostic) Error() string {
	s := fmt.Sprintf("%s: %s  [%s]", d.place(), d.Message, d.Code)
	if d.Hint != "" {
		s += " (" + d.Hint + ")"
	}
	return s
}

func (d Diagnostic) place() string {
	if !d.Pos.Known() {
		return d.File
	}
	return fmt.Sprintf("%s:%d:%d", d.File, d.Pos.Line, d.Pos.Col)
}

// Failed says whether any diagnostic is an error.
func Failed(list []Diagnostic) bool {
	for _, d := range list {
		if d.Severity == Error {
			return true
		}
	}
	return false
}

// Sort orders diagnostics by file and position and drops repeated ones.
func Sort(list []Diagnostic) []Diagnostic {
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i], list[j]
		switch {
		case a.File != b.File:
			return a.File < b.File
		case a.Pos.Line != b.Pos.Line:
			return a.Pos.Line < b.Pos.Line
		case a.Pos.Col != b.Pos.Col:
			return a.Pos.Col < b.Pos.Col
		}
		return a.Code < b.Code
	})
	out := list[:0]
	for i, d := range list {
		if i > 0 && d.Pos == list[i-1].Pos && d.File == list[i-1].File && d.Code == list[i-1].Code && d.Message == list[i-1].Message {
			continue
		}
		out = append(out, d)
	}
	return out
}

// What suggestions cost is bounded, whatever a file holds.
const (
	maxSuggested  = 64   // characters of a name that is compared
	maxCandidates = 1000 // names that it is compared with
)

// Suggest gives the candidate that is most like a name, as a hint; empty when none is near.
func Suggest(name string, candidates []string) string {
	if len(name) > maxSuggested {
		return ""
	}
	best, score := "", 0.0
	for _, c := range candidates[:min(len(candidates), maxCandidates)] {
		if len(c) > maxSuggested {
			continue
		}
		s := levenshtein.Match(name, c, nil)
		if s > score || s == score && c < best {
			best, score = c, s
		}
	}
	if best == "" || best == name || score < 0.5 || levenshtein.Distance(name, best, nil) > 1+len([]rune(name))/3 {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// collector gathers the diagnostics of one file.
type collector struct {
	file  string
	list  []Diagnostic
	count [2]int // by severity
}

// maxDiagnostics bounds the number of errors, and of warnings, of one file.
const maxDiagnostics = 200

func (c *collector) add(d Diagnostic) {
	if d.File == "" {
		d.File = c.file
	}
	if c.count[d.Severity] < maxDiagnostics {
		c.count[d.Severity]++
		c.list = append(c.list, d)
	}
}

// full says that further errors are not kept, so that nothing is spent on wording them.
func (c *collector) full() bool { return c.count[Error] >= maxDiagnostics }

func (c *collector) errorf(p Pos, code, hint, format string, args ...any) {
	c.add(Diagnostic{Pos: p, Code: code, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

func (c *collector) warnf(p Pos, code, hint, format string, args ...any) {
	c.add(Diagnostic{Pos: p, Severity: Warning, Code: code, Hint: hint, Message: fmt.Sprintf(format, args...)})
}
