package trial

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/seed-8af8f8e1/flow/spec"
)

// sharing looks for goldens that two workflow files expect: each would overwrite what the other has written.
type sharing struct{ first map[string]place }

// place is where an expectation names its golden.
type place struct {
	file string
	pos  spec.Pos
}

// add notes the goldens of a workflow and gives a diagnostic for each that another workflow has. Within one workflow spec has looked.
func (s *sharing) add(doc *spec.Document) []spec.Diagnostic {
	if s.first == nil {
		s.first = make(map[string]place)
	}
	var out []spec.Diagnostic
	for _, t := range doc.Tests {
		for _, x := range t.Expect {
			path, err := filepath.Abs(filepath.Join(filepath.Dir(doc.File), filepath.FromSlash(x.Golden.Text)))
			if err != nil {
				continue
			}
			key := strings.ToLower(path) // some file systems know no case
			other, ok := s.first[key]
			if !ok {
				s.first[key] = place{doc.File, x.Golden.Pos}
				continue
			}
			if other.file != doc.File {
				out = append(out, spec.Diagnostic{File: doc.File, Pos: x.Golden.Pos, Code: "F0703", Hint: "give one of them another name",
					Message: fmt.Sprintf("%s is a golden of %s:%d:%d too", spec.Quote(x.Golden.Text), filepath.ToSlash(other.file), other.pos.Line, other.pos.Col)})
			}
		}
	}
	return out
}
