package weights

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// stored is a tensor to write.
type stored struct {
	name  string
	dtype string
	shape []int
	data  []byte
}

// writeRaw writes a file of a header and data and gives its path.
func writeRaw(t testing.TB, header string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w.safetensors")
	writeTo(t, path, withLength(header, data))
	return path
}

func withLength(header string, data []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), data...)
}

func writeTo(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// writeTensors writes a safetensors file.
func writeTensors(t testing.TB, path string, tensors []stored, metadata map[string]string) {
	t.Helper()
	header := make(map[string]any)
	if metadata != nil {
		header["__metadata__"] = metadata
	}
	var data []byte
	for _, s := range tensors {
		header[s.name] = map[string]any{"dtype": s.dtype, "shape": s.shape, "data_offsets": []int{len(data), len(data) + len(s.data)}}
		data = append(data, s.data...)
	}
	raw, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	writeTo(t, path, withLength(string(raw), data))
}

// contents reads all tensors of a component, by canonical name.
func contents(t testing.TB, c *Component) []stored {
	t.Helper()
	var out []stored
	for _, name := range c.Names() {
		tensor, _ := c.Tensor(name)
		data, err := tensor.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, stored{name, tensor.DType, tensor.Shape, data})
	}
	return out
}

// copyConfig copies everything but weights from a model folder.
func copyConfig(t testing.TB, from, to string) {
	t.Helper()
	for _, pattern := range []string{"model_index.json", "*/*.json", "*/*.txt"} {
		files, err := filepath.Glob(filepath.Join(from, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, error %v", pattern, len(files), err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(from, file)
			if err != nil {
				t.Fatal(err)
			}
			writeTo(t, filepath.Join(to, rel), data)
		}
	}
}

// weightBase is the name of a component's weight files, without endings.
func weightBase(component string) string {
	if strings.HasPrefix(component, "text_encoder") {
		return "model"
	}
	return "diffusion_pytorch_model"
}

// goldenRow is a stored tensor of a single file and what diffusers makes of it.
type goldenRow struct {
	name    string
	shape   []int
	targets []string
}

func (r *goldenRow) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&r.name, &r.shape, &r.targets})
}

type goldenCase struct {
	Config  map[string]json.RawMessage
	Tensors map[string][]goldenRow
}

// singleFileGolden reads the names that diffusers' conversion gives.
func singleFileGolden(t testing.TB, name string) goldenCase {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "sdxl", "keymap", "testdata", "single_file.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g struct{ Cases map[string]goldenCase }
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g.Cases[name]
}

// single gives the tensors of a component as a single file stores them. The names come from diffusers' conversion.
func (g goldenCase) single(t testing.TB, component string, tensors []stored) []stored {
	t.Helper()
	byName := make(map[string]stored)
	for _, s := range tensors {
		byName[s.name] = s
	}
	var out []stored
	for _, row := range g.Tensors[component] {
		s, ok := byName[row.targets[0]]
		if !ok {
			continue
		}
		switch {
		case len(row.targets) == 3:
			s.data = slices.Concat(s.data, byName[row.targets[1]].data, byName[row.targets[2]].data)
			s.shape = append([]int{3 * s.shape[0]}, s.shape[1:]...)
		case s.name == keymap.TextProjection:
			s = transposed(s)
		case len(row.shape) > len(s.shape):
			s.shape = append(slices.Clone(s.shape), 1, 1)
		}
		for _, target := range row.targets {
			delete(byName, target)
		}
		s.name = row.name
		out = append(out, s)
	}
	for name := range byName {
		t.Fatalf("the golden lacks %s of the %s", name, component)
	}
	return out
}

// transposed swaps the dimensions of a matrix of 2-byte elements.
func transposed(s stored) stored {
	rows, cols := s.shape[0], s.shape[1]
	data := make([]byte, 0, len(s.data))
	for c := range cols {
		for r := range rows {
			data = append(data, s.data[2*(r*cols+c):][:2]...)
		}
	}
	s.data, s.shape = data, []int{cols, rows}
	return s
}
