package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/tools/avx512/job"
)

// files are those of the machine: where they lie in it, and what each is a copy of. A folder is copied with what is below it.
type files map[string]string

// source is where the repository's files lie in the machine: tests read their data by relative paths.
const source = "src"

// programs are built for the machine, static and without names for debuggers.
var programs = []struct {
	name string
	args []string // of go, before -o
}{
	{"init", []string{"build", "./internal/tools/avx512/guest"}},
	{"flow", []string{"build", "./cmd/flow"}},
	{"kernel.test", []string{"test", "-c", "./internal/cpu/kernel"}},
	{"cpu.test", []string{"test", "-c", "./internal/cpu"}},
}

// build builds the machine's programs into dir and lists the machine's files. It is run in the repository's root.
func build(ctx context.Context, dir string) (files, error) {
	f := files{
		source + "/internal/cpu/testdata":     "internal/cpu/testdata",
		source + "/internal/cpu/kernel":       "internal/cpu/kernel",
		source + "/examples/castle/model":     "examples/castle/model",
		source + "/examples/castle/README.md": "examples/castle/README.md",
	}
	for _, p := range programs {
		file := filepath.Join(dir, p.name)
		args := slices.Concat(p.args[:len(p.args)-1], []string{"-trimpath", "-ldflags=-s -w", "-o", file}, p.args[len(p.args)-1:])
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, out)
		}
		f[p.name] = file
	}
	return f, nil
}

// jobs are what shows that AVX-512 gives the bits of the other tiers; each has a machine of its own. No test has a time limit: the machine's clock is not
// ours. What is of the generator or of AVX2 alone is left out.
func jobs() []job.Job {
	test := func(name, dir, program string, env []string, flags ...string) job.Job {
		return job.Job{Name: name, Dir: "/" + source + "/" + dir, Env: env, Args: slices.Concat([]string{"/" + program, "-test.v", "-test.short", "-test.timeout=0"}, flags)}
	}
	examples := func(precision string) job.Job {
		return job.Job{Name: "examples-" + precision, Dir: "/", Args: []string{"/flow", "bench", "--digests", "--size", "64", "--steps", "2", "--threads", "2", "--only", "avx512,avx512bf16", "--precision", precision, "--json"}}
	}
	lower := []string{"FLOW_CPU=off:avx512bf16"}
	return []job.Job{
		test("kernels", "internal/cpu/kernel", "kernel.test", nil, "-test.run=./^avx512", "-test.skip=Generated|ManyRows|ManyStretches"),
		test("conformance", "internal/cpu", "cpu.test", nil, "-test.run=^TestConformance$/^avx512"),
		test("steps", "internal/cpu", "cpu.test", nil, "-test.run=^TestTiersAndThreadsAgree$//^avx512"),
		test("digests-avx512bf16", "internal/cpu", "cpu.test", nil, "-test.run=^TestDigests$"),
		test("digests-avx512", "internal/cpu", "cpu.test", lower, "-test.run=^TestDigests$"),
		examples("fp32"),
		examples("bf16"),
	}
}
