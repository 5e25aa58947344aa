package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Finder finds the files that a workflow reads: in the workflow's folder, then in the model roots. A link is
// followed when its target lies in one of these, in an allowed path, or in the hub cache that the link lies in.
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
	return "", &FindError{fmt.Sprintf("there is no %q", path), hint}
}

// check demands that the file, with all links followed, lies where the workflow may read.
func (f *Finder) check(path, full string) (string, error) {
	target, err := filepath.EvalSymlinks(full)
	if err != nil {
		return "", &FindError{fmt.Sprintf("cannot follow %q: %v", path, reason(err)), "look where the link points"}
	}
	allowed := append(append([]string{f.Folder}, f.Roots...), f.Allow...)
	if hub := hubOf(full); hub != "" {
		allowed = append(allowed, hub)
	}
	for _, root := range allowed {
		real, err := filepath.EvalSymlinks(root)
		if err != nil {
			continue
		}
		if within(target, real) {
			return filepath.Abs(full)
		}
	}
	return "", &FindError{fmt.Sprintf("%q lies outside the workflow's folder", path), "allow it: --allow-path " + filepath.Dir(target)}
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

// hubOf is the folder "models--..." of a hub cache that a path lies in; empty for none. Hub
// folders are made of links from snapshots to blobs.
func hubOf(path string) string {
	for dir := path; ; {
		if strings.HasPrefix(filepath.Base(dir), "models--") {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}
