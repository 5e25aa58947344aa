package plan

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-8af8f8e1/flow/spec"
)

// Finder finds the files that a workflow reads: in the workflow's folder, then in the model roots. A link is
// followed when its target lies in one of these, in an allowed path, or in the hub cache that the link lies in.
// That holds for links inside a model's folder too.
type Finder struct {
	Folder string   // of the workflow
	Roots  []string // --models and FLOW_MODELS
	Allow  []string // --allow-path
}

// FindError says why a file is not read.
type FindError struct{ Problem, Hint string }

// Error implements error.
func (e *FindError) Error() string { return e.Problem + " (" + e.Hint + ")" }

// Find gives the absolute path of a file or folder.
func (f *Finder) Find(path string) (string, error) {
	local := filepath.FromSlash(path)
	if filepath.IsAbs(local) {
		return f.check(path, filepath.Clean(local))
	}
	for _, root := range append([]string{f.Folder}, f.Roots...) {
		if root == "" {
			continue // an empty entry of FLOW_MODELS is not the current folder
		}
		full := filepath.Join(root, local)
		if _, err := os.Lstat(full); err == nil {
			return f.check(path, full)
		}
	}
	hint := "paths are relative to the workflow's folder"
	if len(f.Roots) > 0 {
		hint += " or to " + strings.Join(f.Roots, ", ")
	} else {
		hint += "; --models DIR adds another"
	}
	return "", &FindError{fmt.Sprintf("there is no %s", spec.Quote(path)), hint}
}

// check demands that the file, with all links followed, lies where the workflow may read.
func (f *Finder) check(path, full string) (string, error) {
	full, err := filepath.Abs(full)
	if err != nil {
		return "", &FindError{fmt.Sprintf("cannot find %s: %v", spec.Quote(path), err), "run in a folder that exists"}
	}
	w := &walker{shown: path, seen: make(map[string]bool)}
	for _, root := range append(append([]string{f.Folder}, f.Roots...), f.Allow...) {
		if root == "" {
			continue
		}
		if root, err = filepath.Abs(root); err == nil {
			if root, err = filepath.EvalSymlinks(root); err == nil {
				w.allowed = append(w.allowed, root)
			}
		}
	}
	target, err := w.follow(full)
	if err != nil {
		return "", err
	}
	return full, w.tree(target)
}

// walker follows the links of one path.
type walker struct {
	shown   string   // the path as the workflow has it
	allowed []string // folders and files without links
	seen    map[string]bool
}

// follow gives the place that a path leads to, which must be allowed.
func (w *walker) follow(full string) (string, error) {
	target, err := filepath.EvalSymlinks(full)
	if err != nil {
		return "", &FindError{fmt.Sprintf("cannot follow %s: %v", w.name(full), reason(err)), "look where the link points"}
	}
	if w.within(target) {
		return target, nil
	}
	if from, err := filepath.EvalSymlinks(filepath.Dir(full)); err == nil && w.within(from) {
		if hub := hubOf(from); hub != "" && within(target, hub) {
			return target, nil
		}
	}
	return "", &FindError{w.name(full) + " lies outside the workflow's folder", "allow it: --allow-path " + filepath.Dir(target)}
}

// within says whether a place without links may be read.
func (w *walker) within(place string) bool {
	for _, root := range w.allowed {
		if within(place, root) {
			return true
		}
	}
	return false
}

// name is the path as the workflow has it, or a file below it.
func (w *walker) name(full string) string {
	if base := filepath.Base(full); w.seen[filepath.Dir(full)] {
		return fmt.Sprintf("%q in %s", base, spec.Quote(w.shown))
	}
	return spec.Quote(w.shown)
}

// maxEntries bounds the files that a model's folder may have.
const maxEntries = 10_000

// tree checks the links in a folder, and in the folders that they lead to. What cannot be read, by its
// permissions or since a link leads nowhere, is left to whoever wants to read it. Hidden folders hold no models.
func (w *walker) tree(place string) error {
	return filepath.WalkDir(place, func(full string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || w.seen[full]:
			return skip(e)
		case len(w.seen) > maxEntries:
			return &FindError{fmt.Sprintf("%s holds more than %d files", spec.Quote(w.shown), maxEntries), "name the model's folder itself"}
		case e.IsDir() && full != place && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		}
		w.seen[full] = true
		if e.Type()&fs.ModeSymlink == 0 {
			return nil
		}
		info, err := os.Stat(full)
		if err != nil {
			return nil
		}
		target, err := w.follow(full)
		if err != nil || !info.IsDir() {
			return err
		}
		return w.tree(target)
	})
}

// skip leaves out a folder, or a file.
func skip(e fs.DirEntry) error {
	if e != nil && e.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func reason(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}

// within says whether path is root or lies below it.
func within(path, root string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// hubOf is the folder "models--..." of a hub cache in whose snapshots a path lies; empty for none. Hub
// folders are made of links from snapshots to blobs.
func hubOf(path string) string {
	for dir := path; ; {
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		if filepath.Base(dir) == "snapshots" && strings.HasPrefix(filepath.Base(parent), "models--") {
			return parent
		}
		dir = parent
	}
}
