package nodes

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/seed-8af8f8e1/flow/spec"
)

// Args are a node's arguments after defaults: plain values by path, a field of a map after a
// dot ("guidance.scale"), an item of a list by its index ("images.0.weight"). References to nodes are not
// among them; they are inputs.
type Args struct {
	values map[string]any // int64, float64, bool, string, uint64, File
	lists  map[string]int // lengths of lists
	places map[string]Place
}

// Place is where an argument gets its value.
type Place struct {
	Pos     spec.Pos // of the value in the workflow file; unknown for a default of the kind
	By      []string // what gave the parameters that the value is made of their values, where the file did not: "-p seed"
	Default spec.Pos // of the default of the only parameter that the value is made of, where that counts
}

// Place says where an argument gets its value; of a field of a map also where that is a shorthand, of a list where it begins. It is zero for
// what the file leaves out.
func (a *Args) Place(path string) Place { return a.places[path] }

// File is a weight or input file that the workflow declares, found on disk.
type File struct {
	Name    string // as declared under models or files
	Path    string // absolute
	Variant string // of a model folder; empty for none
	Config  string // absolute path of a folder that describes a single file; empty for none
}

// NewArgs makes arguments from plain values: for tests.
func NewArgs(values map[string]any) *Args {
	return &Args{values: values, lists: map[string]int{}}
}

func get[T any](a *Args, path string) T {
	v, ok := a.values[path].(T)
	if !ok {
		var zero T
		if _, there := a.values[path]; there {
			panic(fmt.Sprintf("argument %q is a %T, not a %T", path, a.values[path], zero))
		}
		return zero
	}
	return v
}

// Int gives a whole number; 0 where the argument is absent.
func (a *Args) Int(path string) int { return int(get[int64](a, path)) }

// Float gives a number.
func (a *Args) Float(path string) float64 { return get[float64](a, path) }

// Bool gives a truth value.
func (a *Args) Bool(path string) bool { return get[bool](a, path) }

// String gives a text or a choice.
func (a *Args) String(path string) string { return get[string](a, path) }

// Seed gives a seed.
func (a *Args) Seed(path string) uint64 { return get[uint64](a, path) }

// File gives a declared file.
func (a *Args) File(path string) File { return get[File](a, path) }

// Has says whether an argument is given or has a default.
func (a *Args) Has(path string) bool {
	_, ok := a.values[path]
	return ok
}

// Len is the length of a list.
func (a *Args) Len(path string) int { return a.lists[path] }

// maxExact is the largest whole number up to which all are exact in canonical JSON, whose numbers are doubles.
const maxExact = 1 << 53

// Canonical gives the arguments as an action document has them: whole numbers and truth values as
// they are, numbers by their bits, seeds - and whole numbers that a double does not hold - as text. Files are
// left out: they enter by content.
func (a *Args) Canonical() map[string]any {
	out := make(map[string]any, len(a.values))
	for path, v := range a.values {
		switch v := v.(type) {
		case float64:
			out[path] = "f64:" + strconv.FormatUint(math.Float64bits(v), 16)
		case uint64:
			out[path] = "u64:" + strconv.FormatUint(v, 10)
		case int64:
			out[path] = v
			if v > maxExact || v < -maxExact {
				out[path] = "i64:" + strconv.FormatInt(v, 10)
			}
		case bool:
			out[path] = v
		case string:
			out[path] = v
		}
	}
	for path, n := range a.lists {
		out[path+".#"] = int64(n)
	}
	return out
}

// Action gives the canonical arguments of an action of a kind: those that have an effect.
func (k *Kind) Action(a *Args) map[string]any {
	out := a.Canonical()
	if k.Void == nil {
		return out
	}
	for _, void := range k.Void(a) {
		for path := range out {
			if path == void || strings.HasPrefix(path, void+".") {
				delete(out, path)
			}
		}
	}
	return out
}

// Files lists the declared files among the arguments by path.
func (a *Args) Files() map[string]File {
	out := make(map[string]File)
	for path, v := range a.values {
		if f, ok := v.(File); ok {
			out[path] = f
		}
	}
	return out
}

// Paths lists all paths, sorted.
func (a *Args) Paths() []string {
	var out []string
	for p := range a.values {
		out = append(out, p)
	}
	sort.Strings(out)
	return out
}
