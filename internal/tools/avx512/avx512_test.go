package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/digests"
	"github.com/seed-8af8f8e1/flow/internal/tools/avx512/job"
)

// member is an entry of an archive.
type member struct {
	name string
	mode uint64
	data string
}

// members reads an archive as the kernel does: fields of eight hexadecimal digits, name and data each up to a multiple of four bytes.
func members(t *testing.T, text string) (list []member) {
	t.Helper()
	at := 0
	take := func(n int) string {
		if at+n > len(text) {
			t.Fatalf("the archive ends at %d, inside an entry", len(text))
		}
		at += n
		return text[at-n : at]
	}
	for {
		if magic := take(6); magic != "070701" {
			t.Fatalf("an entry begins with %q", magic)
		}
		var fields [13]uint64
		for i := range fields {
			v, err := strconv.ParseUint(take(8), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			fields[i] = v
		}
		name := take(int(fields[11]))
		take(-at & 3)
		data := take(int(fields[6]))
		take(-at & 3)
		if name == "TRAILER!!!\x00" {
			if at != len(text) {
				t.Errorf("%d bytes follow the end", len(text)-at)
			}
			return list
		}
		list = append(list, member{strings.TrimSuffix(name, "\x00"), fields[1], data})
	}
}

func TestArchive(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "tree", "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"one": "12345", "tree/two": "", "tree/below/three": "3"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	a := newArchive(&b)
	a.file("init", filepath.Join(dir, "one"))
	a.tree("src/deep", filepath.Join(dir, "tree"))
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	want := []member{
		{"init", modeFile, "12345"}, {"src", modeFolder, ""}, {"src/deep", modeFolder, ""}, {"src/deep/below", modeFolder, ""}, {"src/deep/below/three", modeFile, "3"},
		{"src/deep/two", modeFile, ""}, {"dev", modeFolder, ""}, {"dev/console", modeConsole, ""},
	}
	if got := members(t, b.String()); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}

	a = newArchive(&b)
	a.file("none", filepath.Join(dir, "none"))
	if err := a.close(); err == nil {
		t.Error("a file that is not there is no error")
	}
}

const console = "\r\nISOLINUX\r\n@processor A\r\n@flags fpu avx512f avx512bw avx512dq avx512vl avx512_bf16\r\n@kernel Linux\r\n@begin some\r\n=== RUN   TestA\r\n--- PASS: TestA (0.00s)\r\nPASS\r\n@end some 0 1.5\r\n@off\r\n"

func TestRead(t *testing.T) {
	some := job.Job{Name: "some"}
	got, err := read([]byte(console), some)
	if err != nil {
		t.Fatal(err)
	}
	if want := (outcome{"A", "Linux", "=== RUN   TestA\n--- PASS: TestA (0.00s)\nPASS\n", "0", "1.5"}); *got != want {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	if got.passed() != 1 {
		t.Errorf("%d tests passed, not 1", got.passed())
	}
	for text, want := range map[string]string{
		strings.Replace(console, " avx512_bf16", "", 1):                                                "sees no avx512_bf16",
		strings.Replace(console, "@end some 0 1.5\r\n", "", 1):                                         "before its job did",
		strings.Replace(console, "@begin some", "@failed some: there is no program\r\n@begin some", 1): "there is no program",
		"": "before its job did",
	} {
		if _, err := read([]byte(text), some); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error of %q", err, want)
		}
	}
}

// document is one of a row that the tiers of the arguments made: names and latents by turns.
func document(made ...string) *digests.Document {
	row := digests.Row{Workflow: "w", Size: 64, Steps: 2, Class: "fp32@1", Made: make(map[string]digests.Digest)}
	for i := 0; i < len(made); i += 2 {
		row.Made[made[i]] = digests.Digest{Latents: made[i+1], Pixels: "p"}
	}
	return &digests.Document{Form: 1, Rows: []digests.Row{row}}
}

func TestDocuments(t *testing.T) {
	var b bytes.Buffer
	if err := document("amd64 go", "a", "amd64 avx512", "a", "amd64 avx512bf16", "a").Write(&b); err != nil {
		t.Fatal(err)
	}
	o := outcome{output: "rendering 1 of 2\n" + b.String() + "more\n"}
	made, err := o.document()
	if err != nil {
		t.Fatal(err)
	}
	if err := emulated(made); err != nil {
		t.Fatal(err)
	}
	all := document("amd64 go", "a", "amd64 avx2", "a")
	if wrong := hold(all, made); len(wrong) > 0 {
		t.Errorf("equal bits are wrong: %q", wrong)
	}
	if got := len(all.Rows[0].Made); got != 4 {
		t.Errorf("the document has %d makers, not 4", got)
	}
	if wrong := hold(all, document("amd64 avx512", "b")); len(wrong) == 0 {
		t.Error("a digest that is not the recorded one is not seen")
	}
	if wrong := hold(document("amd64 go", "a"), document("amd64 avx512", "b")); len(wrong) == 0 {
		t.Error("a tier that differs from another is not seen")
	}
	if wrong := hold(&digests.Document{Form: 1}, document("amd64 avx512", "b")); len(wrong) == 0 {
		t.Error("a row that the document lacks is not seen")
	}
	if err := emulated(document("amd64 go", "a", "amd64 avx512", "a")); err == nil {
		t.Error("a machine without the tier of dot products is not seen")
	}
	if _, err := (&outcome{output: "nothing"}).document(); err == nil {
		t.Error("no document is none")
	}
}

// TestJobs checks what jobs name against the repository: a pattern that matches no test would be found only after an hour.
func TestJobs(t *testing.T) {
	for _, j := range jobs() {
		if len(strings.Fields(j.Name)) != 1 {
			t.Errorf("%q is not one word", j.Name)
		}
		for _, arg := range j.Args {
			pattern, ok := strings.CutPrefix(arg, "-test.run=^")
			if !ok {
				continue
			}
			name, _, _ := strings.Cut(pattern, "$")
			sources, err := filepath.Glob("../../cpu/*_test.go")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(sources, func(file string) bool {
				text, err := os.ReadFile(file)
				return err == nil && bytes.Contains(text, []byte("\nfunc "+name+"("))
			}) {
				t.Errorf("%s: there is no test %s", j.Name, name)
			}
		}
	}
}
