package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/seed-8af8f8e1/flow"

// rules says what each package may import of this module, beside itself; a name that ends in /... stands for a tree. The
// longest matching key counts. Test files may import anything below.
var rules = map[string][]string{
	"cmd/flow":                     {"..."},
	"spec":                         {"internal/safetext"},
	"schema":                       {"spec"},
	"nodes":                        {"spec", "internal/program", "internal/numeric"},
	"nodes/kinds":                  {"nodes", "internal/program", "internal/curand", "internal/sdxl/...", "internal/weights", "internal/picture/..."},
	"runtime":                      {"spec", "nodes", "runtime/...", "internal/provenance"},
	"runtime/plan":                 {"spec", "nodes", "internal/program", "internal/safetext"},
	"runtime/sched":                {"nodes", "internal/program", "runtime/plan", "runtime/cache", "runtime/event"},
	"runtime/lock":                 {"spec", "nodes", "runtime/plan"},
	"runtime/why":                  {"spec", "nodes", "runtime/plan", "runtime/sched", "runtime/cache"},
	"runtime/cache":                {},
	"runtime/event":                {},
	"workflows":                    {},
	"examples/...":                 {},
	"internal/program":             {},
	"internal/program/conformance": {"internal/program", "internal/program/ref", "internal/numeric"},
	"internal/program/...":         {"internal/program", "internal/numeric", "internal/curand"},
	"internal/curand":              {"internal/numeric"},
	"internal/numeric":             {},
	"internal/cpu":                 {"internal/program", "internal/numeric", "internal/curand", "internal/cpu/kernel", "internal/panels"},
	"internal/cpu/kernel":          {"internal/numeric"},
	"internal/cpu/kernel/_gen":     {},
	"internal/nn":                  {"internal/program"},
	"internal/convert":             {"internal/numeric", "internal/weights", "internal/sdxl/keymap", "internal/sdxl/config"},
	"internal/pickle":              {},
	"internal/torchfile":           {"internal/pickle"},
	"internal/mapping":             {},
	"internal/mapping/mappingtest": {},
	"internal/panels":              {"internal/mapping"},
	"internal/weights":             {"internal/program", "internal/mapping", "internal/sdxl/keymap", "internal/torchfile"},
	"internal/sdxl":                {"internal/program", "internal/nn", "internal/weights", "internal/sdxl/..."},
	"internal/sdxl/...":            {"internal/program", "internal/nn", "internal/numeric", "internal/weights", "internal/sdxl/..."},
	"internal/sdxl/keymap":         {},
	"internal/sdxl/tokenizer":      {"internal/sdxl/edition"},
	"internal/sdxl/edition":        {},
	"internal/sdxl/config":         {"internal/program", "internal/sdxl/keymap"},
	"internal/sdxl/noise":          {"internal/numeric", "internal/curand"},
	"internal/picture/...":         {"internal/numeric", "internal/picture/..."},
	"cuda":                         {"internal/program", "internal/numeric", "internal/curand", "cuda/driver", "cuda/kernels"},
	"cuda/driver":                  {},
	"cuda/sim":                     {"cuda/driver", "cuda/sim/vm"},
	"cuda/sim/vm":                  {"cuda/sim/ptx", "internal/numeric"},
	"cuda/sim/ptx":                 {},
	"cuda/kernels":                 {},
	"cuda/cudrv":                   {"cuda/driver"},
	"cuda/sim/libcuda":             {"cuda/driver", "cuda/sim", "cuda/sim/vm"},
	"internal/machine":             {},
	"internal/provenance":          {"internal/safetext"},
	"internal/digests":             {"spec", "nodes", "runtime", "runtime/...", "internal/cpu/...", "internal/program", "internal/safetext"},
	"internal/checkup":             {"cuda", "cuda/driver", "internal/program", "internal/program/conformance", "internal/cpu", "internal/bench"},
	"internal/cudacost":            {"cuda", "cuda/driver", "cuda/sim/vm", "internal/program", "internal/bench"},
	"internal/bench":               {"internal/program", "internal/nn", "internal/cpu/...", "internal/sdxl/...", "internal/weights", "internal/machine"},
	"internal/safetext":            {},
	"internal/ui":                  {"runtime/event", "internal/safetext"},
	"internal/graph":               {"runtime/plan", "internal/safetext"},
	"internal/trail":               {"nodes", "runtime/plan", "runtime/sched", "runtime/why", "internal/safetext"},
	"internal/golden":              {"spec", "nodes", "internal/trail", "internal/safetext"},
	"internal/bisect":              {"spec", "nodes", "runtime", "runtime/...", "internal/trail", "internal/golden"},
	"internal/trial":               {"spec", "nodes", "runtime/...", "internal/trail", "internal/golden"},
	"internal/sheet":               {"internal/picture", "internal/safetext"},
	"internal/report":              {"runtime/event", "internal/safetext", "internal/graph"},
	"internal/arch":                {},
	"internal/tools/...":           {"..."},
}

// private says which packages alone may import a library whose types must not spread.
var private = map[string][]string{
	"gopkg.in/yaml.v3":                         {"spec"},
	"github.com/santhosh-tekuri/jsonschema/v5": {"schema"},
	"github.com/charmbracelet/log":             {"cmd/flow", "internal/ui"},
	"github.com/spf13/cobra":                   {"cmd/flow"},
	"github.com/nlpodyssey/safetensors":        {"internal/weights", "nodes"},
	"gorgonia.org/cu":                          {"cuda/cudrv"},
	"C":                                        {"cuda/cudrv", "cuda/sim/libcuda"},
}

// file is one Go file's package and imports.
type file struct {
	name, pkg string
	imports   []string
}

// goFiles parses the imports of all Go files, whatever their build tags.
func goFiles(t *testing.T) []file {
	t.Helper()
	root := os.DirFS("../..")
	var out []file
	err := fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (e.Name() == "testdata" || e.Name() != "." && strings.HasPrefix(e.Name(), ".")) {
			return fs.SkipDir
		}
		if e.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := file{name: name, pkg: path.Dir(name)}
		for _, i := range parsed.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, p)
		}
		out = append(out, f)
		return nil
	})
	if err != nil || len(out) < 100 {
		t.Fatalf("%d files, %v", len(out), err)
	}
	return out
}

// rule finds the rule of a package: the longest key that matches.
func rule(pkg string) (allowed []string, ok bool) {
	best := -1
	for key, list := range rules {
		if matches(key, pkg) && len(key) > best {
			best, allowed = len(key), list
		}
	}
	return allowed, best >= 0
}

// matches says whether a package is the key, or below it where the key ends in /... .
func matches(key, pkg string) bool {
	if key == "..." || key == pkg {
		return true
	}
	tree, ok := strings.CutSuffix(key, "/...")
	return ok && (pkg == tree || strings.HasPrefix(pkg, tree+"/"))
}

func TestImports(t *testing.T) {
	for _, f := range goFiles(t) {
		test := strings.HasSuffix(f.name, "_test.go")
		allowed, ok := rule(f.pkg)
		if !ok {
			t.Errorf("%s: package %s has no rule in internal/arch; add one and a line to ARCHITECTURE.md", f.name, f.pkg)
		}
		for _, i := range f.imports {
			if owners, ok := private[i]; ok && !slices.Contains(owners, f.pkg) && !test {
				t.Errorf("%s imports %s, which is for %s alone", f.name, i, strings.Join(owners, ", "))
			}
			inner, ok := strings.CutPrefix(i, module+"/")
			if !ok || test || inner == f.pkg || slices.ContainsFunc(allowed, func(key string) bool { return matches(key, inner) }) {
				continue
			}
			t.Errorf("%s: %s may not import %s", f.name, f.pkg, inner)
		}
	}
}

// TestNodesKnowNoSurroundings: what a node makes depends on its arguments and inputs alone, so its packages read no flags, environment,
// clock or other process, and log by what they are given.
func TestNodesKnowNoSurroundings(t *testing.T) {
	refused := []string{"os", "os/exec", "flag", "log", "net", "net/http", "syscall", "time", "math/rand", "math/rand/v2", "crypto/rand", "testing"}
	seen := 0
	for _, f := range goFiles(t) {
		if f.pkg != "nodes" && f.pkg != "nodes/kinds" || strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		seen++
		for _, i := range f.imports {
			if slices.Contains(refused, i) {
				t.Errorf("%s imports %s", f.name, i)
			}
		}
	}
	if seen < 10 {
		t.Errorf("%d files", seen)
	}
}

// TestEveryPackageIsDescribed: ARCHITECTURE.md names each package, below internal and elsewhere, at least by its last element.
func TestEveryPackageIsDescribed(t *testing.T) {
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range goFiles(t) {
		if strings.HasPrefix(f.pkg, "examples/") {
			continue
		}
		if name := path.Base(f.pkg); !strings.Contains(string(text), name+"`") && !strings.Contains(string(text), f.pkg+"*") {
			t.Errorf("ARCHITECTURE.md does not describe %s", f.pkg)
		}
	}
}

// TestMatches holds the rule language to what its comment says.
func TestMatches(t *testing.T) {
	for _, x := range []struct {
		key, pkg string
		want     bool
	}{
		{"spec", "spec", true}, {"spec", "spec/x", false}, {"a/...", "a", true}, {"a/...", "a/b", true}, {"a/...", "ab", false}, {"...", "x", true},
	} {
		if got := matches(x.key, x.pkg); got != x.want {
			t.Errorf("matches(%q, %q) = %v", x.key, x.pkg, got)
		}
	}
}
