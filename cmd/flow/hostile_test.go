package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Limits of what a hostile file may cost: a process from start to end.
const (
	hostileTime   = time.Second
	hostileMemory = 200 << 20
)

// repeat builds a text of numbered parts.
func repeat(n int, part func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(part(i))
	}
	return b.String()
}

// hostileFiles are files that would cost much if anything in their reading were quadratic, exact or unbounded.
func hostileFiles() map[string]string {
	const head = "flow: v1\nmodels: {m: {path: model}}\nnodes:\n"
	return map[string]string{
		"unknown kinds":        head + repeat(15000, func(i int) string { return fmt.Sprintf("  n%d: {kind: k%d, in: $n%d.o}\n", i, i, i/2) }),
		"unknown references":   head + repeat(15000, func(i int) string { return fmt.Sprintf("  n%05d: {kind: noise, seed: $m%05d.o}\n", i, i) }),
		"unknown arguments":    head + "  n: {kind: noise" + repeat(60000, func(i int) string { return fmt.Sprintf(", s%05d: 1", i) }) + "}\n",
		"wrong values":         head + repeat(12000, func(i int) string { return fmt.Sprintf("  n%05d: {kind: noise, seed: x, width: 7, height: y}\n", i) }),
		"mistakes on one line": "flow: v1\nnodes: {" + repeat(15000, func(i int) string { return fmt.Sprintf("n%05d: {kind: noise, seed: $x.y, a: ${}}, ", i) }) + "}\n",
		"long names":           head + "  " + strings.Repeat("a", 300_000) + ": {kind: noise, seed: $" + strings.Repeat("b", 300_000) + ".o}\n",
		"long kind":            head + "  n: {kind: " + strings.Repeat("noise", 150_000) + "}\n",
		"long chain": head + repeat(9000, func(i int) string {
			return fmt.Sprintf("  n%d: {kind: denoise, latents: $n%d, model: $b, conditioning: $b, solver: 1}\n", i, i+1)
		}) +
			"  b: {kind: load-model, weights: $models.m}\n",
		"long circle": head + repeat(20000, func(i int) string { return fmt.Sprintf("  n%d: {kind: noise, seed: $n%d.o}\n", i, (i+1)%20000) }),
		"many circles": head + repeat(400, func(i int) string {
			return fmt.Sprintf("  n%d: {kind: noise, x: [%s]}\n", i, repeat(200, func(k int) string { return fmt.Sprintf("$n%d.o, ", (i+k)%400) }))
		}),
		"many outputs": head + "  n: {kind: noise, seed: 1, width: 8, height: 8}\noutputs:\n" +
			repeat(20000, func(i int) string { return fmt.Sprintf("  o%d: {from: $n, path: a.png}\n", i) }),
		"many parameters": "flow: v1\nparams:\n" + repeat(25000, func(i int) string { return fmt.Sprintf("  p%d: {type: ints, default: x}\n", i) }) +
			"nodes: {n: {kind: noise, seed: 1, width: 8, height: 8}}\n",
		"tiny number":          head + "  n: {kind: denoise, guidance: 1e-999999999, solver: 1e999999999}\nversion: 1e-999999999\n",
		"long number":          head + "  n: {kind: noise, seed: " + strings.Repeat("9", 900_000) + ", width: 0." + strings.Repeat("0", 50_000) + "1}\n",
		"number parameter":     "flow: v1\nversion: 1e-999999999\nparams: {p: {type: float, default: 1e-999999999, min: 1e-99999999, multipleOf: 1e-9999999}}\nnodes: {n: {kind: denoise, guidance: $params.p}}\n",
		"template":             head + "  n: {kind: encode-prompt, prompt: \"" + strings.Repeat("${a}", 240_000) + "\"}\n",
		"template growth":      "flow: v1\nparams: {p: {type: string, default: \"" + strings.Repeat("x", 400_000) + "\"}}\nnodes: {n: {kind: encode-prompt, model: $n, prompt: \"" + strings.Repeat("${params.p}", 50_000) + "\"}}\n",
		"comments":             strings.Repeat("#\n", 500_000) + "flow: v2\n",
		"comments in a map":    "flow: v2\n" + repeat(40_000, func(i int) string { return fmt.Sprintf("a%d: 1 # c\n# d\n", i) }),
		"comments in brackets": "flow: v2\nx: [\n" + repeat(80_000, func(i int) string { return "1, # c\n" }) + "]\n",
		"blank lines":          "flow: v2\n" + strings.Repeat("\n", 1_000_000),
		"block text":           "flow: v2\nx: |\n" + strings.Repeat("  a\n", 200_000),
		"folded text":          "flow: v2\nx: >\n" + strings.Repeat("  a\n\n", 200_000),
		"plain text":           "flow: v2\nx: a\n" + strings.Repeat("  a\n", 200_000),
		"directives":           strings.Repeat("%TAG !a! b\n", 90_000) + "---\nflow: v2\n",
		"documents":            "flow: v2\n" + strings.Repeat("---\n", 200_000),
		"anchors":              "flow: v2\nx: [" + repeat(80_000, func(i int) string { return fmt.Sprintf("&a%d 1, ", i) }) + "]\n",
		"aliases":              "flow: v1\nx: &a [" + strings.Repeat("x, ", 1000) + "]\ny: &b [" + strings.Repeat("*a, ", 1000) + "]\nz: &c [" + strings.Repeat("*b, ", 1000) + "]\nnodes: {n: {kind: noise, seed: *c}}\n",
		"flow maps":            "flow: v1\nnodes: " + strings.Repeat("{a: ", 250_000),
		"wide characters":      "flow: v1\nname: \"" + strings.Repeat("城", 300_000) + "\"\nnodes: {n: {kind: k, x: \"" + strings.Repeat("👩‍🚀", 4000) + "\", y: $z}}\n",
		"combining":            "flow: v1\nnodes: {n: {kind: k, x: \"e" + strings.Repeat("\u0301", 400_000) + "\", y: $z}}\n",
		"not utf-8":            "flow: v1\nname: " + strings.Repeat("\xff", 1_000_000),
	}
}

// validate runs flow validate on a file in a process of its own. It gives the processor time that this took: what stands on the
// clock depends on what else the machine does.
func validate(t *testing.T, format, file string) (out string, took time.Duration, memory int64) {
	t.Helper()
	c := exec.Command(os.Args[0], "validate", "--format", format, file)
	c.Args[0] = "flow" // the test binary is the command under this name
	c.Dir = filepath.Dir(file)
	c.Env = append(os.Environ(), "FLOW_CACHE_DIR="+filepath.Join(c.Dir, "cache"))
	var b bytes.Buffer
	c.Stdout, c.Stderr = &b, &b
	err := c.Run()
	took = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFile {
		t.Errorf("ended with %v, want exit code 2:\n%.2000s", err, b.String())
	}
	return b.String(), took, peakMemory(c.ProcessState)
}

// TestHostileFiles demands an answer within a second and 200 MB for files that are made to cost more.
func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "model"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, src := range hostileFiles() {
		t.Run(name, func(t *testing.T) {
			if len(src) > 1<<20 {
				t.Fatalf("%d bytes: refused for its size alone", len(src))
			}
			file := filepath.Join(dir, strings.ReplaceAll(name, " ", "_")+".flow.yaml")
			if err := os.WriteFile(file, []byte(src), 0o666); err != nil {
				t.Fatal(err)
			}
			t.Parallel()
			formats := []string{"text"}
			if name == "many circles" { // the longest output
				formats = append(formats, "sarif")
			}
			for _, format := range formats {
				out, took, memory := validate(t, format, file)
				for try := 0; took > hostileTime && try < 3; try++ { // a busy machine's caches are others'
					_, again, _ := validate(t, format, file)
					took = min(took, again)
				}
				if took > hostileTime || memory > hostileMemory || len(out) > 1<<20 {
					t.Errorf("%s: %v, %d MB, %d bytes of output", format, took.Round(time.Millisecond), memory>>20, len(out))
				}
				if format == "text" && !strings.Contains(out, ": error: ") {
					t.Errorf("no diagnostic: %.500s", out)
				}
			}
		})
	}
}
