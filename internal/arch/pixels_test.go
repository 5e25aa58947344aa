package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pixelTrees hold the code whose results reach a pixel; judges and comparisons among them do not.
var (
	pixelTrees = []string{"internal/cpu", "internal/curand", "internal/nn", "internal/numeric", "internal/picture", "internal/program", "internal/sdxl", "nodes/kinds"}
	judges     = []string{"internal/program/ref", "internal/program/conformance", "internal/sdxl/parity", "internal/cpu/kernel/_gen"}
)

// exact are the names of package math that give the same bits on every processor: exact functions, bit casts, constants.
var exact = []string{"Sqrt", "Abs", "Ceil", "Floor", "RoundToEven", "Float32bits", "Float32frombits", "Float64bits", "Float64frombits",
	"Inf", "IsInf", "NaN", "IsNaN", "MaxInt32", "MaxInt64", "MaxInt", "MaxUint32", "MaxFloat32", "Pi", "Ln2", "Log2E", "Sqrt2"}

// inexact are packages of which nothing may be used.
var inexact = []string{"math/cmplx", "math/rand", "math/rand/v2"}

// TestPixelsAreTheSameEverywhere looks for functions of package math that differ between processors (docs/numerics.md, Functions).
func TestPixelsAreTheSameEverywhere(t *testing.T) {
	files := 0
	root := os.DirFS("../..")
	for _, tree := range pixelTrees {
		err := fs.WalkDir(root, tree, func(name string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if e.IsDir() && (slices.Contains(judges, name) || e.Name() == "testdata") {
				return fs.SkipDir
			}
			if e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			text, err := fs.ReadFile(root, name)
			if err != nil {
				return err
			}
			files++
			for _, p := range inexactUses(t, name, text) {
				t.Errorf("%s is not the same on every processor; internal/numeric has what is", p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 50 {
		t.Errorf("only %d files were looked at", files)
	}
}

// inexactUses lists a file's uses of package math beyond exact, and its imports of inexact packages, with their places.
func inexactUses(t *testing.T, name string, text []byte) (out []string) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	local := ""
	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		dot := spec.Name != nil && spec.Name.Name == "."
		switch {
		case slices.Contains(inexact, path), path == "math" && dot:
			out = append(out, set.Position(spec.Pos()).String()+": import "+path)
		case path == "math" && spec.Name != nil:
			local = spec.Name.Name
		case path == "math":
			local = "math"
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if ok && x.Name == local && !slices.Contains(exact, sel.Sel.Name) {
			out = append(out, set.Position(sel.Pos()).String()+": math."+sel.Sel.Name)
		}
		return true
	})
	return out
}

// TestInexactUsesAreFound checks that the test above can fail.
func TestInexactUsesAreFound(t *testing.T) {
	for text, want := range map[string]int{
		`package p; import "math"; var x = math.Exp(math.Sqrt(2))`:           1,
		`package p; import m "math"; var f = m.Sin; var g = m.Pow`:           2,
		`package p; import . "math"; var f = Sin`:                            1,
		`package p; import "math/rand/v2"; var f = rand.NormFloat64`:         1,
		`package p; import "math"; var x = math.MaxInt; var y = math.Inf(1)`: 0,
		`package p; type v struct{ Exp int }; var math v; var x = math.Exp`:  0,
	} {
		if got := inexactUses(t, "p.go", []byte(text)); len(got) != want {
			t.Errorf("%s: found %v, want %d", text, got, want)
		}
	}
}
