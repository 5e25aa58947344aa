package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/lock"
	"github.com/seed-8af8f8e1/flow/spec"
)

// addPicture adds the flags for commands that take pictures.
func (f *lockFlags) addPicture(c *cobra.Command) {
	f.add(c)
	c.Flags().StringVar(&f.file, "lock", "", "the lock that the picture was made with (default: looked for beside it and in the current folder)")
}

// pictureLock holds a picture's workflow to the lock that the picture names; nil where there is none to hold it to. Only the SHA-256 of a lock is
// taken from the picture, no path. whole is as in [app.compare], where it is not demanded anyway; locked says that what differs is an error.
func (a *app) pictureLock(ctx context.Context, w *flowruntime.Workflow, p *pictureFile, f *lockFlags, format string, whole bool) (h *held, locked bool, err error) {
	path, src, err := a.findLock(p, f, format)
	locked = f.strict(path != "")
	switch {
	case err != nil:
		return nil, locked, err
	case path == "" && p.record.Lock == "":
		if locked {
			err = &exitError{exitDiffers, nameless(p)}
		}
		return nil, locked, err
	case path == "":
		how := fmt.Sprintf("the lock that %s was made with (sha256 %s) is neither beside it nor in the current folder: what is read is not held to it; name it with --lock FILE", p.name, short(p.record.Lock))
		if locked {
			return nil, locked, &exitError{exitDiffers, how}
		}
		fmt.Fprintln(a.err, "note:", safetext.Line(how))
		return nil, locked, nil
	}
	l, diags := lock.Parse(path, src)
	if l == nil {
		return nil, locked, a.refuse(diags, path, format, exitFile)
	}
	l.Mend = "the picture was made with what the lock pins; --models names folders where its files are looked for"
	h, err = a.compare(ctx, w, &lockFile{path, src, l}, locked || whole)
	return h, locked, err
}

// nameless is the message where a picture names no lock.
func nameless(p *pictureFile) string {
	return p.name + " names no lock: its run had none, differed from it, or did not compare all files with it; flow run FILE --locked makes pictures that name theirs"
}

// findLock finds the lock with the SHA-256 that a picture names: the file of --lock, or one beside the picture or in the current folder.
func (a *app) findLock(p *pictureFile, f *lockFlags, format string) (path string, src []byte, err error) {
	if f.file != "" {
		src, problem := spec.ReadFile(f.file)
		switch got := digest(src); {
		case problem != nil:
			return "", nil, a.refuse([]spec.Diagnostic{*problem}, f.file, format, exitFile)
		case p.record.Lock == "":
			return "", nil, &exitError{exitDiffers, nameless(p)}
		case got != p.record.Lock:
			return "", nil, &exitError{exitDiffers, fmt.Sprintf("%s is not the lock that %s was made with: sha256 %s in place of %s", f.file, p.name, short(got), short(p.record.Lock))}
		}
		return f.file, src, nil
	}
	if p.record.Lock == "" {
		return "", nil, nil
	}
	for _, folder := range []string{filepath.Dir(p.name), "."} {
		list, _ := os.ReadDir(folder) // a folder that cannot be read has no lock
		for _, e := range list {
			if filepath.Ext(e.Name()) != ".lock" {
				continue
			}
			path := filepath.Join(folder, e.Name())
			if src, problem := spec.ReadFile(path); problem == nil && digest(src) == p.record.Lock {
				return path, src, nil
			}
		}
	}
	return "", nil, nil
}

// lockVerdict is what flow verify says of the lock that a picture names.
type lockVerdict struct {
	SHA256      string   `json:"sha256"`
	File        string   `json:"file,omitempty"`
	State       string   `json:"state"` // same, differs or missing
	Differences []string `json:"differences,omitempty"`
}

// verifyLock is pictureLock for a picture that is compared in any case: that its files differ is part of the verdict, and no error yet.
func (a *app) verifyLock(ctx context.Context, w *flowruntime.Workflow, p *pictureFile, f *lockFlags, format string) (v *lockVerdict, locked bool, err error) {
	h, locked, err := a.pictureLock(ctx, w, p, f, format, true)
	if err != nil {
		return nil, locked, err
	}
	if p.record.Lock == "" {
		return nil, locked, nil
	}
	v = &lockVerdict{SHA256: p.record.Lock, State: "missing"}
	if h == nil {
		return v, locked, nil
	}
	v.File, v.State = h.lock.path, "same"
	for _, d := range h.diags {
		v.State, v.Differences = "differs", append(v.Differences, d.Message)
	}
	var differs *exitError
	if err := a.judge(h, locked, format); err != nil && (!errors.As(err, &differs) || differs.code != exitDiffers) {
		return nil, locked, err
	}
	return v, locked, nil
}

// text is the verdict's line; empty where a note said it.
func (v *lockVerdict) text() string {
	switch v.State {
	case "same":
		return v.File + ": what was read is what it pins"
	case "differs":
		return v.File + ": what was read is not what it pins"
	}
	return ""
}
