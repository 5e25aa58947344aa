package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure,omitempty"`
	Error   *junitProblem `xml:"error,omitempty"`
	Skipped *junitSkipped `xml:"skipped,omitempty"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

// JUnit writes tests as JUnit XML, a suite a workflow file.
func JUnit(w io.Writer, tests []*Test) error {
	var all junitSuites
	sum := 0.0
	for i := 0; i < len(tests); {
		s, n, seconds := suite(tests[i:])
		all.Suites = append(all.Suites, s)
		all.Tests, all.Failures, all.Errors, all.Skipped = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors, all.Skipped+s.Skipped
		sum += seconds
		i += n
	}
	all.Time = fmt.Sprintf("%.3f", sum)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// suite is the suite of the first tests that are of one file, and how many these are.
func suite(tests []*Test) (s junitSuite, n int, seconds float64) {
	s.Name = safetext.Line(tests[0].File)
	for n < len(tests) && tests[n].File == tests[0].File {
		t := tests[n]
		n++
		seconds += t.Seconds
		c := junitCase{Name: safetext.Line(t.Name), Class: s.Name, File: s.Name, Time: fmt.Sprintf("%.3f", t.Seconds)}
		var texts []string
		for _, cause := range t.Causes() {
			texts = append(texts, safetext.Lines(cause.Text))
		}
		problem := &junitProblem{Text: strings.Join(texts, "\n")}
		problem.Message, _, _ = strings.Cut(problem.Text, "\n")
		switch t.State {
		case Failed:
			s.Failures++
			c.Failure = problem
		case Errored:
			s.Errors++
			c.Error = problem
		case Skipped:
			s.Skipped++
			c.Skipped = &junitSkipped{safetext.Line(t.Message)}
		}
		for _, x := range t.Expected {
			c.Out += safetext.Line(x.Output+": "+x.Reason) + "\n"
		}
		s.Cases = append(s.Cases, c)
	}
	s.Tests, s.Time = len(s.Cases), fmt.Sprintf("%.3f", seconds)
	return s, n, seconds
}
