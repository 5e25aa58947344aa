package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/seed-8af8f8e1/flow/cuda/kernels"
)

// tools are the programs' names or paths.
type tools struct{ ptxas, nvdisasm string }

// loops are the kernels whose main loop is read.
var loops = map[string][]string{"tensor": {"product_f16_128", "product_f16_64"}, "flash": {"flash_64", "flash_128"}}

// report is all that was read.
type report struct {
	version string // of ptxas
	archs   []int
	usage   []usage
	loops   []loop
}

// output runs a tool and gives all that it prints.
func output(tool string, args ...string) (string, error) {
	out, err := exec.Command(tool, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %v: %w\n%s", tool, args, err, out)
	}
	return string(out), nil
}

var release = regexp.MustCompile(`V(\d+\.\d+\.\d+)`)

// version asks ptxas which one it is.
func version(t tools) (string, error) {
	out, err := output(t.ptxas, "--version")
	if err != nil {
		return "", err
	}
	m := release.FindStringSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%s --version says no version", t.ptxas)
	}
	return m[1], nil
}

var archName = regexp.MustCompile(`sm_(\d+)\b`)

// architectures gives those that the issue of proof names and the newest of a ptxas' help.
func architectures(help string) ([]int, error) {
	newest := 0
	for _, m := range archName.FindAllStringSubmatch(help, -1) {
		n, _ := strconv.Atoi(m[1])
		newest = max(newest, n)
	}
	if newest < 90 {
		return nil, fmt.Errorf("this ptxas knows nothing newer than sm_%d", newest)
	}
	archs := []int{80, 86, 89, 90, newest}
	return slices.Compact(archs), nil
}

// measure compiles all texts for all architectures and reads what came.
func measure(t tools) (*report, error) {
	r := &report{}
	var err error
	if r.version, err = version(t); err != nil {
		return nil, err
	}
	help, err := output(t.ptxas, "--help")
	if err != nil {
		return nil, err
	}
	if r.archs, err = architectures(help); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "flow-ptxas-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, file := range kernels.Names() {
		if err := r.file(t, dir, file); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// file compiles one text for all architectures.
func (r *report) file(t tools, dir, file string) error {
	text, err := kernels.Text(file)
	if err != nil {
		return err
	}
	source, binary := filepath.Join(dir, file+".ptx"), filepath.Join(dir, file+".cubin")
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		return err
	}
	for _, arch := range r.archs {
		out, err := output(t.ptxas, "-v", "-arch", fmt.Sprintf("sm_%d", arch), "-o", binary, source)
		if err != nil {
			return err
		}
		u, err := readUsage(out, threadsOf(text))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for i := range u {
			u[i].file, u[i].arch = file, arch
		}
		r.usage = append(r.usage, u...)
		if loops[file] == nil {
			continue
		}
		sass, err := output(t.nvdisasm, "-c", binary)
		if err != nil {
			return err
		}
		for _, name := range loops[file] {
			l, err := mainLoop(sass, name)
			if err != nil {
				return err
			}
			l.arch = arch
			r.loops = append(r.loops, l)
		}
	}
	return nil
}
