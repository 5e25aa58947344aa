package main

import (
	"archive/zip"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// compiler skips a test where there is no C compiler.
func compiler(t *testing.T) {
	t.Helper()
	for _, name := range []string{"gcc", "ar"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("no %s", name)
		}
	}
}

func testBuilder(t *testing.T) *builder {
	return &builder{ctx: context.Background(), cache: t.TempDir(), progress: io.Discard}
}

// compile makes a program or, with -shared, a library of a C text.
func compile(t *testing.T, text, target string, args ...string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "x.c")
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", append([]string{"-o", target, source}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// caller opens the driver twice, as a program would, and makes a call with seven arguments before and after.
const caller = `
#include <stdio.h>
int cuInit(unsigned), flow_driver_open(char *, unsigned long), cuTexRefSetFlags(long);
int cuMemcpyPeerAsync(long, long, long, long, long, long, long);
int main(void) {
	char why[300];
	printf("start %d, early call %d\n", cuInit(0), cuTexRefSetFlags(1));
	for (int i = 0; i < 2; i++) {
		int r = flow_driver_open(why, sizeof why);
		printf("open %d %s\n", r, why);
	}
	printf("call %d, missing %d\n", cuMemcpyPeerAsync(1, 2, 3, 4, 5, 6, 7), cuTexRefSetFlags(1));
	return 0;
}`

// TestTrampoline runs a program that links the trampoline: without libcuda, with one that finds no device at first, and
// with one that works.
func TestTrampoline(t *testing.T) {
	compiler(t)
	lib, _, err := testBuilder(t).trampoline()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, library := filepath.Join(dir, "program"), filepath.Join(dir, "libcuda.so.1")
	compile(t, caller, program, "-L"+lib, "-lcuda", "-ldl")
	run := func() string {
		cmd := exec.Command(program)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	const early, never = "start 0, early call 3\n", "call 3, missing 3\n"
	if _, err := os.Stat("/usr/lib/x86_64-linux-gnu/libcuda.so.1"); err != nil { // a machine with a driver
		failed := "open 303 libcuda.so.1: cannot open shared object file: No such file or directory\n"
		if got := run(); got != early+failed+failed+never {
			t.Errorf("without a library:\n%s", got)
		}
	}
	compile(t, "int x;", library, "-shared", "-fPIC")
	if got := run(); strings.Count(got, "open 303 "+library+": undefined symbol: cuInit\n") != 2 || !strings.HasSuffix(got, never) {
		t.Errorf("with a library of nothing:\n%s", got)
	}
	compile(t, `static int n;
int cuInit(unsigned flags) { return n++ ? 0 : 100; }
int cuMemcpyPeerAsync(long a, long b, long c, long d, long e, long f, long g) { return a + 2*b + 3*c + 4*d + 5*e + 6*f + 7*g; }`,
		library, "-shared", "-fPIC")
	if got := run(); got != early+"open 100 \nopen 0 \ncall 140, missing 801\n" {
		t.Errorf("with a library:\n%s", got)
	}
}

// TestHeaders reads the headers of a folder and of a wheel, and refuses what holds none.
func TestHeaders(t *testing.T) {
	b, dir := testBuilder(t), t.TempDir()
	if _, err := b.headers(dir); err == nil {
		t.Error("a folder without cuda.h is taken")
	}
	if _, err := b.headers(filepath.Join(dir, "12.0")); err == nil || !strings.Contains(err.Error(), "11.8, 12.9, 13.5") {
		t.Errorf("an unknown version: %v", err)
	}
	for name, wantErr := range map[string]bool{"nvidia/cuda_runtime/include/cuda.h": false, "nvidia/cu13/include/../../cuda.h": true, "cuda.h": true} {
		file := filepath.Join(dir, "x.whl")
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		z := zip.NewWriter(f)
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "// "+name); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time it is there
			got, err := b.headers(file)
			if (err != nil) != wantErr {
				t.Errorf("%s: %v", name, err)
			}
			if text, _ := os.ReadFile(filepath.Join(got, "cuda.h")); err == nil && string(text) != "// "+name {
				t.Errorf("%s gives %q", name, text)
			}
		}
	}
}

// TestPrint: flags with spaces are quoted, and what the user has set stays behind ours.
func TestPrint(t *testing.T) {
	t.Setenv("CGO_CFLAGS", "-g")
	if got, want := join("CGO_CFLAGS", "-I/a b", "-I/c"), `CGO_CFLAGS="-I/a b" -I/c -g`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestCallsAreForwarded: cu and cudrv name no call that the trampoline lacks; the linker would say so in a CUDA build, this says it earlier.
func TestCallsAreForwarded(t *testing.T) {
	calls, err := sources.ReadFile("trampoline/calls.h")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../../cuda/cudrv/calls.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, word := range strings.FieldsFunc(string(text), func(r rune) bool { return !strings.ContainsRune("._", r) && (r < '0' || r > 'z') }) {
		name, ok := strings.CutPrefix(word, "C.cu")
		if !ok {
			continue
		}
		seen++
		if !strings.Contains(string(calls), "CALL(cu"+name+")\n") {
			t.Errorf("calls.h lacks cu%s", name)
		}
	}
	if seen < 2 {
		t.Errorf("%d calls in calls.go", seen)
	}
}
