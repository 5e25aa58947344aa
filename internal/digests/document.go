package digests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// form is the version of the document; readers refuse another one.
const form = 1

// Document is what runs came to: on one machine, or on several whose documents were merged.
type Document struct {
	Form    int    `json:"flow-digests"`
	Release string `json:"release"` // of flow, that made the last of it
	Rows    []Row  `json:"rows"`
}

// Row is a workflow in a class of numerics, as it is or with smaller parameters.
type Row struct {
	Workflow string            `json:"workflow"`
	Size     int               `json:"size,omitempty"`  // pixels of a side; 0 for what the file says
	Steps    int               `json:"steps,omitempty"` // 0 for what the file says
	Class    string            `json:"numerics"`
	Made     map[string]Digest `json:"made"` // by what: see [By]
}

// Digest is what a run made, as digests of values (docs/numerics.md).
type Digest struct {
	Latents string `json:"latents"`
	Pixels  string `json:"pixels"`
}

// id is what a row is found by.
func (r *Row) id() string { return fmt.Sprint(r.Workflow, " ", r.Size, " ", r.Steps, " ", r.Class) }

// What says what a row is of, beside the workflow.
func (r *Row) What() string {
	what := r.Class
	if r.Size > 0 {
		what += fmt.Sprintf(", %dx%d", r.Size, r.Size)
	}
	switch r.Steps {
	case 0:
	case 1:
		what += ", 1 step"
	default:
		what += fmt.Sprintf(", %d steps", r.Steps)
	}
	return what
}

// Equal says whether all that made the row made the same bits.
func (r *Row) Equal() bool {
	var first *Digest
	for _, d := range r.Made {
		if first == nil {
			first = &d
		}
		if d != *first {
			return false
		}
	}
	return true
}

// Makers lists what made rows of the document, in order of names.
func (d *Document) Makers() []string {
	seen := make(map[string]bool)
	for i := range d.Rows {
		for by := range d.Rows[i].Made {
			seen[by] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Merge adds what an earlier document has of the rows of d; by counts where both have it. It gives the makers that were taken over.
func (d *Document) Merge(earlier *Document) (recorded []string) {
	of := make(map[string]*Row)
	for i := range earlier.Rows {
		of[earlier.Rows[i].id()] = &earlier.Rows[i]
	}
	taken := make(map[string]bool)
	for i := range d.Rows {
		old := of[d.Rows[i].id()]
		if old == nil {
			continue
		}
		for by, digest := range old.Made {
			if _, ok := d.Rows[i].Made[by]; !ok {
				d.Rows[i].Made[by] = digest
				taken[by] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(taken))
}

// Changes says in which rows the same maker made other bits than in an earlier document, and which rows that document lacks.
func (d *Document) Changes(earlier *Document) (changed, missing []string) {
	of := make(map[string]*Row)
	for i := range earlier.Rows {
		of[earlier.Rows[i].id()] = &earlier.Rows[i]
	}
	for i := range d.Rows {
		row := &d.Rows[i]
		old := of[row.id()]
		if old == nil {
			missing = append(missing, row.Workflow+" ("+row.What()+")")
			continue
		}
		for _, by := range slices.Sorted(maps.Keys(row.Made)) {
			if was, ok := old.Made[by]; ok && was != row.Made[by] {
				changed = append(changed, fmt.Sprintf("%s (%s) by %s: %s", row.Workflow, row.What(), by, was.differs(row.Made[by])))
			}
		}
	}
	return changed, missing
}

// differs says in what two digests differ.
func (d Digest) differs(now Digest) string {
	if d.Latents != now.Latents {
		return fmt.Sprintf("latents %s, were %s", short(now.Latents), short(d.Latents))
	}
	return fmt.Sprintf("pixels %s, were %s", short(now.Pixels), short(d.Pixels))
}

// Write writes the document as JSON.
func (d *Document) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(d)
}

// most bounds a document that is read.
const most = 16 << 20

// Read reads a document.
func Read(r io.Reader) (*Document, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if len(data) > most {
		return nil, fmt.Errorf("it has more than %d bytes", most)
	}
	d := new(Document)
	if err := json.Unmarshal(data, d); err != nil {
		return nil, fmt.Errorf("it is no document of digests: %w", err)
	}
	if d.Form != form {
		return nil, errors.New("it is no document of digests that this release reads; flow bench --digests --json writes one")
	}
	return d, nil
}
