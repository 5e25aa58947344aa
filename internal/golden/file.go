package golden

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/trail"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// Names of the files that belong to a golden: they are its own with these behind it.
const (
	SidecarSuffix = ".json" // says what the golden is of
	stepsSuffix   = ".steps"
	stagedSuffix  = ".new"
)

// Sidecar says what a golden is of.
type Sidecar struct {
	Form     int          `json:"flow-golden"` // 1
	Workflow string       `json:"workflow"`    // from the golden's folder, with slashes
	Test     string       `json:"test"`
	Output   string       `json:"output"` // NODE.OUTPUT
	Class    string       `json:"numerics"`
	Key      string       `json:"key"` // of the action that made the value
	Release  string       `json:"release"`
	Digest   string       `json:"digest"`          // of the value's content
	Loop     string       `json:"loop,omitempty"`  // the node of whose steps some are kept
	Kept     []int        `json:"steps,omitempty"` // which, from 1
	Trail    *trail.Trail `json:"trail"`
}

// form is the version of the sidecar's form that is written.
const form = 1

// Golden is a golden with its sidecar.
type Golden struct {
	Sidecar
	Value nodes.Value
	Steps map[int]map[string]nodes.Tensor // what the loop carried after the kept steps, in fp16
}

// Problem says that a golden cannot be compared with: it is missing, or not what its sidecar says.
type Problem struct {
	Missing bool
	Message string
}

// Error implements error.
func (p *Problem) Error() string { return p.Message }

// Read reads a golden of a type below root. The error is a *Problem where it is missing or damaged.
func Read(root *os.Root, name string, of nodes.Type) (*Golden, error) {
	data, err := read(root, name, 1<<30)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Problem{Missing: true, Message: "there is no golden " + name}
	}
	if err != nil {
		return nil, err
	}
	side, err := read(root, name+SidecarSuffix, 64<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Problem{Missing: true, Message: fmt.Sprintf("the golden %s has no sidecar %s, which says what it is of", name, path.Base(name)+SidecarSuffix)}
	}
	if err != nil {
		return nil, err
	}
	g := new(Golden)
	if err := json.Unmarshal(side, &g.Sidecar); err != nil || g.Form != form || g.Trail == nil {
		return nil, &Problem{Message: fmt.Sprintf("%s is no sidecar that this release reads", name+SidecarSuffix)}
	}
	media := nodes.MediaSafetensors
	if of == nodes.ImageType {
		media = nodes.MediaPNG
	}
	if g.Value, err = nodes.Decode(of, media, data); err != nil {
		return nil, &Problem{Message: fmt.Sprintf("the golden %s cannot be read: %v", name, err)}
	}
	if g.Value.Digest().String() != g.Digest {
		return nil, &Problem{Message: fmt.Sprintf("the golden %s is not what its sidecar says: it was changed by hand, or one of the two is older", name)}
	}
	return g, g.readSteps(root, name)
}

// readSteps reads the kept steps.
func (g *Golden) readSteps(root *os.Root, name string) error {
	if len(g.Kept) == 0 {
		return nil
	}
	data, err := read(root, name+stepsSuffix, 1<<30)
	if errors.Is(err, fs.ErrNotExist) {
		return &Problem{Message: fmt.Sprintf("the golden %s has lost its kept steps, %s", name, path.Base(name)+stepsSuffix)}
	}
	if err != nil {
		return err
	}
	list, err := nodes.DecodeHalf(data)
	if err != nil {
		return &Problem{Message: fmt.Sprintf("the kept steps %s cannot be read: %v", name+stepsSuffix, err)}
	}
	g.Steps = make(map[int]map[string]nodes.Tensor)
	for _, step := range g.Kept {
		state := make(map[string]nodes.Tensor)
		for key, t := range list {
			if carried, ok := strings.CutPrefix(key, stepKey(step)); ok {
				state[carried] = t
			}
		}
		g.Steps[step] = state
	}
	return nil
}

// stepKey begins the names of what was carried after a step.
func stepKey(step int) string { return fmt.Sprintf("%04d.", step) }

// read reads a regular file of at most most bytes.
func read(root *os.Root, name string, most int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return data, err
}

// MostKept is the number of steps that a golden keeps at most.
const MostKept = 8

// Keep lists the steps of a loop that are kept: all of a short one, else eight from the first to the last at equal distances.
func Keep(steps int) []int {
	n := min(steps, MostKept)
	out := make([]int, n)
	for i := range out {
		out[i] = i + 1
		if steps > MostKept {
			out[i] = 1 + (i*(steps-1)+(MostKept-1)/2)/(MostKept-1)
		}
	}
	return out
}
