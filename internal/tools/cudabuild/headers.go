package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// wheel is a wheel of PyPI that holds cuda.h.
type wheel struct {
	version string // of CUDA
	project string // on PyPI, with its version
	sha256  string // of the wheel for x86-64; headers are the same for all machines
}

// wheels lists the versions that flow builds against: drivers from 525 on serve a program built with 12.9.
var wheels = []wheel{
	{"11.8", "nvidia-cuda-runtime-cu11==11.8.89", "92d04069a987e1fbc9213f8376d265df0f7bb42617d44f5eda1f496acea7f2d1"},
	{"12.9", "nvidia-cuda-runtime-cu12==12.9.79", "25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3"},
	{"13.5", "nvidia-cuda-runtime==13.5.37", "df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d"},
}

// defaultHeaders is the version that is used where none is asked for.
const defaultHeaders = "12.9"

// versions lists the known versions.
func versions() string {
	var all []string
	for _, w := range wheels {
		all = append(all, w.version)
	}
	return strings.Join(all, ", ")
}

// headers gives the folder that holds cuda.h, of a version, a wheel or a folder.
func (b *builder) headers(name string) (string, error) {
	for _, w := range wheels {
		if w.version == name {
			return b.known(w)
		}
	}
	name, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("-headers %s is none of %s, no folder and no wheel: %w", name, versions(), err)
	}
	if info.IsDir() {
		return name, hasHeader(name)
	}
	sum, err := digest(name)
	if err != nil {
		return "", err
	}
	return b.unpack(name, sum)
}

// known gives the headers of a known wheel, downloading it where it was not yet.
func (b *builder) known(w wheel) (string, error) {
	if dir := b.unpacked(w.sha256); hasHeader(dir) == nil {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "cudabuild-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fmt.Fprintf(b.progress, "downloading %s for its headers\n", w.project)
	cmd := exec.CommandContext(b.ctx, "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
		"--platform", "manylinux2014_x86_64", "--dest", dir, w.project)
	cmd.Stdout, cmd.Stderr = b.progress, b.progress
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w; without pip, download the wheel otherwise and name it: -headers FILE.whl", strings.Join(cmd.Args[:4], " "), err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("pip gave %d wheels for %s, want one", len(files), w.project)
	}
	sum, err := digest(files[0])
	if err != nil {
		return "", err
	}
	if sum != w.sha256 {
		return "", fmt.Errorf("%s has SHA-256 %s, not %s as flow knows it", filepath.Base(files[0]), sum, w.sha256)
	}
	return b.unpack(files[0], sum)
}

// unpacked is where the headers of a wheel lie, by its digest: go build tells folders apart, not what is in them.
func (b *builder) unpacked(sum string) string { return filepath.Join(b.cache, "headers-"+sum[:16]) }

// unpack writes a wheel's headers to a folder, whole or not at all.
func (b *builder) unpack(file, sum string) (_ string, err error) {
	dir := b.unpacked(sum)
	if hasHeader(dir) == nil {
		return dir, nil
	}
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(b.cache, "headers-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	z, err := zip.OpenReader(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	defer func() { _ = z.Close() }()
	for _, f := range z.File {
		if _, name, ok := strings.Cut(f.Name, "/include/"); ok && filepath.IsLocal(name) && !f.FileInfo().IsDir() {
			if err := extract(f, filepath.Join(temp, name)); err != nil {
				return "", fmt.Errorf("%s: %s: %w", file, f.Name, err)
			}
		}
	}
	if err := hasHeader(temp); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	if err := os.Rename(temp, dir); err != nil && hasHeader(dir) != nil { // unless another build was faster
		return "", err
	}
	return dir, nil
}

// largestHeader bounds what is written for one file of a wheel.
const largestHeader = 64 << 20

func extract(f *zip.File, to string) error {
	if f.UncompressedSize64 > largestHeader {
		return fmt.Errorf("%d bytes are no header", f.UncompressedSize64)
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, largestHeader))
	return errors.Join(err, out.Close())
}

// hasHeader says whether a folder holds cuda.h.
func hasHeader(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "cuda.h")); err != nil {
		return fmt.Errorf("no cuda.h: %w", err)
	}
	return nil
}

func digest(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
