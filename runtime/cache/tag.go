package cache

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const tagName = "CACHEDIR.TAG"

// tagText is the whole tag file: the signature of the specification, which
// backup programs look for, and the line by which we know our own.
const tagText = tagSignature + "\n" + tagOurs + "\n" +
	"# What is in it can be deleted, best with: flow cache clear\n" +
	"# About cache directory tags see https://bford.info/cachedir/\n"

const (
	tagSignature = "Signature: 8a477f597d28d172789f06886806bc55"
	tagOurs      = "# This folder is a cache made by flow."
)

// tagTemp starts the name of a tag that is being written.
const tagTemp = "." + tagName + "."

// NotOursError says that a folder was not made by this package, so nothing in
// it is read or changed.
type NotOursError struct {
	Dir string
	Why string
}

// Error says what to do about it.
func (e *NotOursError) Error() string {
	return fmt.Sprintf("folder %s %s: choose an empty or new folder with FLOW_CACHE_DIR", e.Dir, e.Why)
}

// checkTag finds whether dir is a cache of ours: nil, an error that is
// fs.ErrNotExist (dir is absent or empty), or a *NotOursError.
func checkTag(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &NotOursError{dir, "is a file"}
	}
	tag := filepath.Join(dir, tagName)
	info, err = os.Lstat(tag)
	if errors.Is(err, fs.ErrNotExist) {
		if err := checkEmpty(dir); errors.Is(err, fs.ErrNotExist) {
			return err
		} else if info, _ = os.Lstat(tag); info == nil { // another process makes the tag before all else: now it would be there
			return err
		}
		err = nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > 1<<16 {
		return &NotOursError{dir, "has a " + tagName + " that flow did not write"}
	}
	text, err := os.ReadFile(tag)
	if err != nil {
		return err
	}
	lines := strings.SplitN(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n", 3)
	if len(lines) < 2 || lines[0] != tagSignature || lines[1] != tagOurs {
		return &NotOursError{dir, "has a " + tagName + " that flow did not write"}
	}
	return nil
}

// checkEmpty tells a folder that can be made a cache from one that is in use.
func checkEmpty(dir string) error {
	h, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer h.Close()
	entries, err := h.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isTagTemp(e.Name()) {
			return &NotOursError{dir, fmt.Sprintf("is not empty (%s) and was not made by flow", clip(e.Name(), 40))}
		}
	}
	return fs.ErrNotExist
}

// isTagTemp reports whether name is that of a tag left half-written.
func isTagTemp(name string) bool {
	rest, ok := strings.CutPrefix(name, tagTemp)
	return ok && isHex(rest, 16)
}

// makeDir makes dir a cache of ours, or finds that it is one.
func makeDir(dir string) error {
	err := checkTag(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp := filepath.Join(dir, tagTemp+randomID())
	defer os.Remove(temp)
	h, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = h.WriteString(tagText)
	if err == nil {
		err = h.Sync()
	}
	if e := h.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, tagName))
}

// randomID gives 16 hexadecimal digits that no one else has.
func randomID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
