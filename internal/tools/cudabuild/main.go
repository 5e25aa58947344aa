// Command cudabuild builds flow with CUDA, on Linux: `go run ./internal/tools/cudabuild` in the repository writes ./flow-cuda. It
// needs a C compiler (gcc) and no toolkit:
//
//   - cuda.h comes from a wheel of nvidia-cuda-runtime, which pip downloads and whose SHA-256 stands in headers.go; or
//     from a wheel or a folder that -headers names;
//   - in libcuda's place the trampoline is linked (trampoline/trampoline.c), so that the program starts without a driver and without a
//     device and says what is missing.
//
// -check builds against every version of the headers that headers.go knows. -print writes the environment that makes
// other commands of Go see headers and trampoline: eval "$(go run ./internal/tools/cudabuild -print)"; go vet -tags cuda ./cuda/cudrv
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "cudabuild:", err)
		os.Exit(1)
	}
}

// run does what the arguments say.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	fs := flag.NewFlagSet("cudabuild", flag.ContinueOnError)
	fs.SetOutput(progress)
	target := fs.String("o", "flow-cuda", "the program to write")
	headers := fs.String("headers", defaultHeaders, "cuda.h: a version ("+versions()+"), a wheel of nvidia-cuda-runtime, or a folder that holds it")
	check := fs.Bool("check", false, "build against every version of the headers; writes nothing")
	env := fs.Bool("print", false, "print the environment that go build -tags cuda wants, and build nothing")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%q: no argument is wanted", fs.Args())
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	b := builder{ctx: ctx, cache: cache, progress: progress}
	switch {
	case *check:
		return b.checkAll()
	case *env:
		vars, err := b.environment(*headers)
		for _, v := range vars {
			name, value, _ := strings.Cut(v, "=")
			fmt.Fprintf(out, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
		}
		return err
	}
	return b.build(*headers, *target)
}

// cacheDir is where wheels' headers and the trampoline are kept.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "flow-cudabuild"), nil
}

// builder builds with headers and trampoline from a folder.
type builder struct {
	ctx      context.Context
	cache    string
	progress io.Writer
}

// build writes a program.
func (b *builder) build(headers, target string) error {
	env, err := b.environment(headers)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(b.ctx, "go", "build", "-tags", "cuda", "-o", target, "./cmd/flow")
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = b.progress, b.progress
	fmt.Fprintf(b.progress, "building %s with the headers of CUDA %s; the first time takes a minute or two\n", target, headers)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s with the headers %s: %w", strings.Join(cmd.Args, " "), headers, err)
	}
	return nil
}

// checkAll builds against all versions.
func (b *builder) checkAll() error {
	dir, err := os.MkdirTemp("", "cudabuild-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, w := range wheels {
		target := filepath.Join(dir, "flow-"+w.version)
		if err := b.build(w.version, target); err != nil {
			return err
		}
		said, err := exec.CommandContext(b.ctx, target, "version").CombinedOutput()
		if err != nil {
			return fmt.Errorf("the program built with the headers of CUDA %s does not start: %w: %s", w.version, err, said)
		}
		fmt.Fprintf(b.progress, "CUDA %s: builds and starts\n", w.version)
	}
	return nil
}

// environment is what go build wants to find headers and trampoline.
func (b *builder) environment(headers string) ([]string, error) {
	include, err := b.headers(headers)
	if err != nil {
		return nil, err
	}
	lib, shim, err := b.trampoline()
	if err != nil {
		return nil, err
	}
	return []string{
		"CGO_ENABLED=1",
		join("CGO_CFLAGS", "-I"+shim, "-I"+include),
		join("CGO_LDFLAGS", "-L"+lib),
	}, nil
}

// join makes a variable of flags, each quoted as go build reads it, before those that it has.
func join(name string, flags ...string) string {
	for i, f := range flags {
		if strings.ContainsAny(f, " \t") {
			flags[i] = `"` + f + `"`
		}
	}
	if old := os.Getenv(name); old != "" {
		flags = append(flags, old)
	}
	return name + "=" + strings.Join(flags, " ")
}
