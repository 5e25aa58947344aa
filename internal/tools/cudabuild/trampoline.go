package main

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed trampoline/*.c trampoline/*.h shim/*.h
var sources embed.FS

// trampoline builds libcuda.a, and gives its folder and the shim's. Both have the digest of the sources in their names, since
// go build tells folders apart and not what is in them.
func (b *builder) trampoline() (lib, shim string, err error) {
	h := sha256.New()
	err = fs.WalkDir(sources, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := sources.ReadFile(name)
		fmt.Fprintf(h, "%s %d\n%s", name, len(text), text)
		return err
	})
	if err != nil {
		return "", "", err
	}
	dir := filepath.Join(b.cache, "trampoline-"+hex.EncodeToString(h.Sum(nil))[:16])
	lib, shim = filepath.Join(dir, "trampoline"), filepath.Join(dir, "shim")
	if _, err := os.Stat(filepath.Join(lib, "libcuda.a")); err == nil {
		return lib, shim, nil
	}
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return "", "", err
	}
	temp, err := os.MkdirTemp(b.cache, "trampoline-")
	if err != nil {
		return "", "", err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	if err := os.CopyFS(temp, sources); err != nil {
		return "", "", err
	}
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "gcc"
	}
	for _, args := range [][]string{{compiler, "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-c", "trampoline.c", "-o", "trampoline.o"}, {"ar", "rcs", "libcuda.a", "trampoline.o"}} {
		cmd := exec.CommandContext(b.ctx, args[0], args[1:]...)
		cmd.Dir = filepath.Join(temp, "trampoline")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("the trampoline: %s: %w: %s", args[0], err, out)
		}
	}
	if err := os.Rename(temp, dir); err != nil {
		if _, there := os.Stat(filepath.Join(lib, "libcuda.a")); there != nil { // unless another build was faster
			return "", "", err
		}
	}
	return lib, shim, nil
}
