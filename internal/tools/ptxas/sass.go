package main

import (
	"fmt"
	"regexp"
	"strings"
)

// loop is what a main loop is made of: the smallest loop that has as many HMMA as any.
type loop struct {
	kernel                  string
	arch                    int
	all, hmma, ldsm, ldgsts int
	local                   int // loads and stores of local memory, of the whole kernel
}

var (
	label       = regexp.MustCompile(`^(\.L_\w+):`)
	instruction = regexp.MustCompile(`/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9]*)`)
	target      = regexp.MustCompile("BRA.*`\\((\\.L_\\w+)\\)")
)

// body gives the lines of one kernel of a disassembly.
func body(sass, kernel string) []string {
	_, rest, found := strings.Cut(sass, "\n.text."+kernel+":")
	if !found {
		return nil
	}
	rest, _, _ = strings.Cut(rest, "\n.text.")
	return strings.Split(rest, "\n")
}

// count counts instructions of lines.
func count(lines []string) (l loop) {
	for _, line := range lines {
		m := instruction.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		l.all++
		switch m[1] {
		case "HMMA":
			l.hmma++
		case "LDSM":
			l.ldsm++
		case "LDGSTS":
			l.ldgsts++
		case "LDL", "STL":
			l.local++
		}
	}
	return l
}

// mainLoop finds the main loop of a kernel.
func mainLoop(sass, kernel string) (loop, error) {
	lines := body(sass, kernel)
	at := make(map[string]int)
	var best loop
	for i, line := range lines {
		if m := label.FindStringSubmatch(line); m != nil {
			at[m[1]] = i
		}
		m := target.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		from, back := at[m[1]]
		if !back {
			continue
		}
		if l := count(lines[from : i+1]); l.hmma > best.hmma || l.hmma == best.hmma && l.hmma > 0 && l.all < best.all {
			best = l
		}
	}
	if best.hmma == 0 {
		return best, fmt.Errorf("%s has no loop with HMMA", kernel)
	}
	best.kernel, best.local = kernel, count(lines).local
	return best, nil
}
