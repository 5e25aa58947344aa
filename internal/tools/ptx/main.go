// Command ptx compiles the kernels of cuda/kernels to PTX with Debian's clang 14 (apt-get install clang-14). Each text
// says which compiler and which sources made it. Without that compiler, texts that belong to their sources stay.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/seed-8af8f8e1/flow/cuda/kernels"
)

const compiler = "clang-14"

func main() {
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "ptx:", err)
		os.Exit(1)
	}
}

// generate writes the texts of all sources in a folder.
func generate(dir string) error {
	sources, err := filepath.Glob(filepath.Join(dir, "*.cu"))
	if err != nil {
		return err
	}
	version, missing := exec.Command(compiler, "--version").Output()
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), ".cu")
		hash, err := kernels.SourceHash(os.DirFS(dir), name)
		if err != nil {
			return err
		}
		target := filepath.Join(dir, name+".ptx")
		if missing != nil {
			if old, err := os.ReadFile(target); err != nil || !strings.Contains(string(old), hash) {
				return fmt.Errorf("%s is older than its sources, and %s is missing (apt-get install %s)", target, compiler, compiler)
			}
			continue
		}
		first, _, _ := strings.Cut(string(version), "\n")
		text, err := compile(source)
		if err != nil {
			return err
		}
		if err := os.WriteFile(target, []byte(kernels.Header(name, first, hash)+text), 0o644); err != nil {
			return err
		}
	}
	if missing != nil {
		fmt.Fprintf(os.Stderr, "ptx: %s is missing; the texts belong to their sources and stay as they are\n", compiler)
	}
	return nil
}

// blank matches what clang writes before the first directive, and lines of nothing.
var blank = regexp.MustCompile(`(?m)^(//.*|\s*)\n`)

// compile makes PTX of one source.
func compile(source string) (string, error) {
	cmd := exec.Command(compiler, append(kernels.Flags[:len(kernels.Flags):len(kernels.Flags)], "-o", "-", source)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", source, err)
	}
	return blank.ReplaceAllString(string(out), ""), nil
}
