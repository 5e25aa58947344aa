package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// archive writes a cpio archive in the form that Linux takes its first files from ("newc": its Documentation/driver-api/early-userspace/buffer-format.rst).
type archive struct {
	w     io.Writer
	n     int // entries so far
	known map[string]bool
	err   error // the first one: what follows is not written
}

// Modes of entries: kind and permissions.
const (
	modeFolder  = 0o040755
	modeFile    = 0o100755
	modeConsole = 0o020600
)

func newArchive(w io.Writer) *archive { return &archive{w: w, known: make(map[string]bool)} }

// entry writes an entry; major and minor are a device's numbers.
func (a *archive) entry(name string, mode uint32, data []byte, major, minor int) {
	if a.err != nil {
		return
	}
	a.n++
	a.known[name] = true
	head := "070701"
	for _, v := range []uint32{uint32(a.n), mode, 0, 0, 1, 0, uint32(len(data)), 0, 0, uint32(major), uint32(minor), uint32(len(name) + 1), 0} {
		head += fmt.Sprintf("%08X", v)
	}
	for _, part := range []string{head + name + "\x00", string(data)} {
		part += strings.Repeat("\x00", -len(part)&3)
		if _, err := io.WriteString(a.w, part); err != nil {
			a.err = err
			return
		}
	}
}

// parents writes the folders above a name that are not there yet.
func (a *archive) parents(name string) {
	if dir := path.Dir(name); dir != "." && !a.known[dir] {
		a.parents(dir)
		a.entry(dir, modeFolder, nil, 0, 0)
	}
}

// data writes a file, with the folders above it.
func (a *archive) data(name string, data []byte) {
	a.parents(name)
	a.entry(name, modeFile, data, 0, 0)
}

// file writes a copy of a file.
func (a *archive) file(name, from string) {
	data, err := os.ReadFile(from)
	if err != nil && a.err == nil {
		a.err = err
	}
	a.data(name, data)
}

// tree writes a copy of the files below a folder.
func (a *archive) tree(name, from string) {
	err := filepath.WalkDir(from, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, at)
		if err == nil {
			a.file(path.Join(name, filepath.ToSlash(rel)), at)
		}
		return err
	})
	if a.err == nil {
		a.err = err
	}
}

// close ends the archive, with the console that a first process writes to.
func (a *archive) close() error {
	a.parents("dev/console")
	a.entry("dev/console", modeConsole, nil, 5, 1)
	a.entry("TRAILER!!!", 0, nil, 0, 0)
	return a.err
}
