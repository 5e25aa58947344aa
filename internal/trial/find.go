package trial

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/golden"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Tree is the folder that an argument of the form DIR/... stands for.
func Tree(arg string) (dir string, ok bool) {
	if arg == "..." {
		return ".", true
	}
	dir, ok = strings.CutSuffix(filepath.ToSlash(arg), "/...")
	if ok && dir == "" {
		dir = "/"
	}
	return filepath.FromSlash(dir), ok
}

// Find lists the workflow files that arguments name: files, and trees, of which all files *.flow.yaml and *.flow.yml count. Folders that begin
// with a dot or an underscore are left out.
func Find(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		dir, ok := Tree(arg)
		if !ok {
			if info, err := os.Stat(arg); err == nil && info.IsDir() {
				return nil, fmt.Errorf("%s is a folder; write %s for all workflows in it", arg, strings.TrimSuffix(arg, "/")+"/...")
			}
			out = append(out, arg)
			continue
		}
		found := 0
		err := folders(dir, func(d string, entries []fs.DirEntry) {
			for _, e := range entries {
				if name := e.Name(); !e.IsDir() && (strings.HasSuffix(name, ".flow.yaml") || strings.HasSuffix(name, ".flow.yml")) {
					found++
					out = append(out, filepath.Join(d, name))
				}
			}
		})
		if err != nil {
			return nil, err
		}
		if found == 0 {
			return nil, fmt.Errorf("there is no workflow (*.flow.yaml) in %s", arg)
		}
	}
	seen := make(map[string]bool)
	return slices.DeleteFunc(out, func(f string) bool {
		dup := seen[filepath.Clean(f)]
		seen[filepath.Clean(f)] = true
		return dup
	}), nil
}

// Roots lists, for the arguments that are trees, the folders in which its workflows look for what is not beside them: the tree's own, then those that hold
// its workflows, by name. So workflows of a tree share a model, and which one that is their locks say.
func Roots(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		dir, ok := Tree(arg)
		if !ok {
			continue
		}
		out = append(out, dir)
		files, err := Find([]string{arg})
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if d := filepath.Dir(file); !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	return out, nil
}

// folders visits a folder and those below it, in order of names.
func folders(dir string, visit func(dir string, entries []fs.DirEntry)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	visit(dir, entries)
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(e.Name(), "_") {
			if err := folders(filepath.Join(dir, e.Name()), visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// expectedBy knows which goldens workflow files expect.
type expectedBy struct{ docs map[string]*spec.Document }

// expects says whether a workflow expects a golden at a path. Workflows that cannot be read expect all that their sidecars say.
func (e *expectedBy) expects(workflow, name string) bool {
	doc, ok := e.docs[workflow]
	if !ok {
		if _, err := os.Stat(workflow); errors.Is(err, fs.ErrNotExist) {
			return false
		}
		doc, _ = spec.Load(workflow)
		e.docs[workflow] = doc
	}
	if doc == nil {
		return true
	}
	for _, t := range doc.Tests {
		for _, x := range t.Expect {
			if filepath.Join(filepath.Dir(workflow), filepath.FromSlash(x.Golden.Text)) == name {
				return true
			}
		}
	}
	return false
}

// Leftovers are what lies beside goldens: orphans that no test expects, and those that are staged.
type Leftovers struct{ Orphans, Staged []string }

// Look looks for leftovers: in the trees of args, and for files in the folders of their goldens and beside them in goldens/.
func Look(args, files []string) (*Leftovers, error) {
	dirs := make(map[string]bool)
	for _, arg := range args {
		dir, ok := Tree(arg)
		if !ok {
			continue
		}
		if err := folders(dir, func(d string, _ []fs.DirEntry) { dirs[filepath.Clean(d)] = true }); err != nil {
			return nil, err
		}
	}
	for _, file := range files {
		dirs[filepath.Join(filepath.Dir(file), "goldens")] = true
		doc, _ := spec.Load(file)
		if doc == nil {
			continue
		}
		for _, t := range doc.Tests {
			for _, x := range t.Expect {
				dirs[filepath.Join(filepath.Dir(file), filepath.FromSlash(path.Dir(x.Golden.Text)))] = true
			}
		}
	}
	out := new(Leftovers)
	by := &expectedBy{make(map[string]*spec.Document)}
	for dir := range dirs {
		root, err := os.OpenRoot(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		orphans, staged, err := golden.Survey(root, func(name string, s *golden.Sidecar) bool {
			return by.expects(filepath.Join(dir, filepath.FromSlash(s.Workflow)), filepath.Join(dir, name))
		})
		_ = root.Close()
		if err != nil {
			return nil, err
		}
		for _, name := range orphans {
			out.Orphans = append(out.Orphans, filepath.Join(dir, name))
		}
		for _, name := range staged {
			out.Staged = append(out.Staged, filepath.Join(dir, name))
		}
	}
	slices.Sort(out.Orphans)
	slices.Sort(out.Staged)
	return out, nil
}

// Accept puts staged goldens in the place of the present ones.
func Accept(names []string) error {
	for _, name := range names {
		root, err := os.OpenRoot(filepath.Dir(name))
		if err != nil {
			return err
		}
		err = golden.Accept(root, filepath.Base(name))
		_ = root.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
