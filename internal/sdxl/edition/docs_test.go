package edition_test

import (
	"io/fs"
	"os"
	"path"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
)

func document(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../../docs/editions.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestDocument: the table in docs/editions.md has a row for each field of Edition, and each row names a test that there is.
func TestDocument(t *testing.T) {
	rows := make(map[string][]string)
	for line := range strings.Lines(document(t)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(strings.ReplaceAll(line, `\|`, "")), "|"), "|")
		if name := strings.Trim(strings.TrimSpace(cells[0]), "`"); len(cells) == 6 && name != "field" && !strings.HasPrefix(name, "-") {
			rows[name] = cells
		}
	}
	fields := reflect.TypeFor[edition.Edition]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if name == "Name" {
			continue
		}
		d, r := reflect.ValueOf(edition.Diffusers).Field(i), reflect.ValueOf(edition.Refiners).Field(i)
		if d.Equal(r) {
			t.Errorf("the editions do not differ in %s: it need not be a field", name)
		}
		cells, ok := rows[name]
		delete(rows, name)
		if !ok {
			t.Errorf("docs/editions.md has no row for %s", name)
			continue
		}
		folder, test, ok := strings.Cut(strings.Trim(strings.TrimSpace(cells[5]), "`"), ".")
		if !ok || !hasTest(t, folder, test) {
			t.Errorf("the row of %s names no test that there is: %s", name, cells[5])
		}
	}
	for name := range rows {
		t.Errorf("docs/editions.md has a row for %s, which is no field", name)
	}
}

// hasTest says whether a package below the module's root has a test function.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	root := os.DirFS("../../..")
	files, err := fs.Glob(root, path.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := fs.ReadFile(root, f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "\nfunc "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}

// TestNoNames: nothing that computes asks which edition it is.
func TestNoNames(t *testing.T) {
	root := os.DirFS("../../..")
	seen := 0
	for _, folder := range []string{"nodes/kinds", "internal/sdxl", "internal/sdxl/solver", "internal/sdxl/tokenizer", "internal/sdxl/vae", "internal/picture/clipimage"} {
		files, err := fs.Glob(root, path.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			data, err := fs.ReadFile(root, f)
			if err != nil {
				t.Fatal(err)
			}
			seen++
			for _, e := range edition.All() {
				if strings.Contains(string(data), strconv.Quote(e.Name)) {
					t.Errorf("%s names the edition %s; let it read a field of edition.Edition", f, e.Name)
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d files", seen)
	}
}
