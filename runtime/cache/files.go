package cache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// files is the folder of the layout. Every change of it goes through these
// methods, so that a test can make each of them fail, or die there.
type files struct {
	root  *os.Root
	fault func(op, name string) error // nil outside tests
	try   func(f *os.File, exclusive bool) (bool, error)
}

func (f *files) at(op, name string) error {
	if f.fault == nil {
		return nil
	}
	return f.fault(op, name)
}

// file is one being written.
type file struct {
	*os.File
	files *files
	name  string
}

// create makes a new file, which must not exist.
func (f *files) create(name string) (*file, error) {
	if err := f.at("create", name); err != nil {
		return nil, err
	}
	h, err := f.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	return &file{File: h, files: f, name: name}, nil
}

// Write writes p, or half of it before an injected fault.
func (w *file) Write(p []byte) (int, error) {
	if err := w.files.at("write", w.name); err != nil {
		n, _ := w.File.Write(p[:len(p)/2])
		return n, err
	}
	return w.File.Write(p)
}

// Sync waits until the file's bytes are on the disk.
func (w *file) Sync() error {
	if err := w.files.at("sync", w.name); err != nil {
		return err
	}
	return w.File.Sync()
}

// place renames a finished file to where it belongs, making its folder if need be.
func (f *files) place(from, to string) error {
	if err := f.at("rename", to); err != nil {
		return err
	}
	err := f.root.Rename(from, to)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := f.mkdir(path.Dir(to)); err != nil {
		return err
	}
	return f.root.Rename(from, to)
}

// mkdir makes a folder that may exist; its parent does.
func (f *files) mkdir(dir string) error {
	if err := f.at("mkdir", dir); err != nil {
		return err
	}
	if err := f.root.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return f.syncDir(path.Dir(dir))
}

// syncDir waits until a folder's names are on the disk, where the system can.
func (f *files) syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	if err := f.at("syncdir", dir); err != nil {
		return err
	}
	h, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	defer h.Close()
	err = h.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// remove deletes a file. One that is gone already is no error.
func (f *files) remove(name string) error {
	if err := f.at("remove", name); err != nil {
		return err
	}
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// touch sets a file's time of last use.
func (f *files) touch(name string, t time.Time) error {
	if err := f.at("touch", name); err != nil {
		return err
	}
	return f.root.Chtimes(name, t, t)
}

// open opens a plain file for reading, never a link, pipe or folder.
func (f *files) open(name string) (*os.File, fs.FileInfo, error) {
	before, err := f.root.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a plain file", name)
	}
	h, err := f.root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := h.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a plain file", name)
	}
	if err != nil {
		h.Close()
		return nil, nil, err
	}
	return h, info, nil
}

// read gives the content of a plain file of at most most bytes.
func (f *files) read(name string, most int64) ([]byte, fs.FileInfo, error) {
	h, info, err := f.open(name)
	if err != nil {
		return nil, nil, err
	}
	defer h.Close()
	if info.Size() > most {
		return nil, info, fmt.Errorf("%s has %d bytes, more than any of ours", name, info.Size())
	}
	data := make([]byte, info.Size())
	n, err := io.ReadFull(h, data)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // shrunk meanwhile: its checksum will differ
	}
	return data[:n], info, err
}

// list gives the entries of a folder, sorted; none if it is gone.
func (f *files) list(dir string) ([]fs.DirEntry, error) {
	info, err := f.root.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", dir)
	}
	if err != nil {
		return nil, err
	}
	h, err := f.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	entries, err := h.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}
