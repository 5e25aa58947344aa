package spec

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

// seeds are the guide and all files of testdata.
func seeds(f *testing.F) [][]byte {
	out := [][]byte{[]byte(guide)}
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, path := range files {
		src, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		out = append(out, src)
	}
	return out
}

// within makes a panic of what does not end, so that the input is kept.
func within(t *testing.T) {
	timer := time.AfterFunc(10*time.Second, func() { panic("this takes more than ten seconds") })
	t.Cleanup(func() { timer.Stop() })
}

// FuzzParse: no text makes the reader panic, and every place that it names lies inside the file.
func FuzzParse(f *testing.F) {
	for _, src := range seeds(f) {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<14 {
			return
		}
		within(t)
		d, list := Parse("f.yaml", src)
		for _, x := range list {
			checkPosition(t, x, src)
			for _, r := range x.Related {
				checkPosition(t, Diagnostic{Pos: r.Pos, Code: x.Code}, src)
			}
		}
		if d == nil && !Failed(list) {
			t.Error("no document and no error")
		}
		if d != nil {
			d.Bind(nil)
			if _, err := json.Marshal(d.Root.JSON()); err != nil {
				t.Error(err)
			}
		}
	})
}

// FuzzRender: each format is what it should be, whatever a file holds, at any width.
func FuzzRender(f *testing.F) {
	for i, src := range seeds(f) {
		f.Add("a.yaml", src, i*7%90)
	}
	f.Add("a,b:c%\n.yaml", []byte("flow: v1\nn\u202eame: \"\x1b[2J\u2028\"\n::error::x: 1\n"), 20)
	f.Fuzz(func(t *testing.T, file string, src []byte, width int) {
		if len(src) > 1<<14 || width < 0 || width > 1000 {
			return
		}
		within(t)
		_, list := Parse(file, src)
		sources := map[string][]byte{file: src}
		for _, format := range Formats {
			var b bytes.Buffer
			if err := Render(&b, format, list, sources, width, "test"); err != nil {
				t.Fatal(err)
			}
			out := b.String()
			if i := strings.IndexFunc(out, func(r rune) bool { return safetext.Unsafe(r) && r != '\n' }); i >= 0 {
				t.Fatalf("%s lets %q through: %q", format, out[i:i+1], out)
			}
			if !utf8.ValidString(out) {
				t.Errorf("%s is not UTF-8: %q", format, out)
			}
			switch format {
			case "json", "sarif":
				if !json.Valid(b.Bytes()) {
					t.Errorf("%s is not JSON: %s", format, out)
				}
			case "github":
				lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
				if len(list) > 0 && len(lines) != len(list) {
					t.Errorf("%d annotations for %d diagnostics:\n%s", len(lines), len(list), out)
				}
				for _, line := range lines {
					if len(list) > 0 && !strings.HasPrefix(line, "::error file=") && !strings.HasPrefix(line, "::warning file=") {
						t.Errorf("no annotation: %q", line)
					}
				}
			}
		}
	})
}

// FuzzParams: values from the command line and from files end as values of their parameter's type, or as diagnostics.
func FuzzParams(f *testing.F) {
	for _, s := range []string{"seed=43", "seed=18446744073709551615", "steps=010", "sag=1e-3", "sag=1e-999999999", "prompt=$x", "prompt=${name}", "size=8", "prompt=a=b\x00"} {
		f.Add(s, []byte(strings.Replace(s, "=", ": ", 1)))
	}
	f.Add("x", []byte(`{"seed": 1e400, "steps": [1], "sag": null}`))
	doc, diags := Parse("guide.yaml", []byte(guide))
	if len(diags) > 0 {
		f.Fatal(diags)
	}
	f.Fuzz(func(t *testing.T, override string, file []byte) {
		if len(file) > 1<<14 || len(override) > 1<<14 {
			return
		}
		within(t)
		list, diags := ParseParams("p.yaml", file)
		for _, d := range diags {
			checkPosition(t, d, file)
		}
		o, problem := ParseOverride(override)
		if problem == nil {
			list = append(list, o)
		}
		diags = doc.Bind(list)
		for _, x := range doc.Params {
			v := x.Value()
			if v == nil {
				if !Failed(diags) {
					t.Errorf("parameter %s has no value, and nothing says why", x.Name.Text)
				}
				continue
			}
			if bad := CheckScalar(v, x.Type); bad != nil {
				t.Errorf("parameter %s has the value %+v: %v", x.Name.Text, v, bad)
			}
			if (x.Type == "int" || x.Type == "float") && Number(v) == nil {
				t.Errorf("parameter %s has the value %q, which is no number", x.Name.Text, v.Text)
			}
		}
	})
}
