package golden

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// Write writes a golden below root: kept steps, value and, last, the sidecar, each under another name first. Staged ones have .new behind
// their names: [Accept] takes them.
func (g *Golden) Write(root *os.Root, name string, staged bool) error {
	g.Form = form
	g.Digest = g.Value.Digest().String()
	_, value, err := nodes.Encode(g.Value)
	if err != nil {
		return err
	}
	var side bytes.Buffer
	e := json.NewEncoder(safetext.JSON(&side))
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	if err := e.Encode(&g.Sidecar); err != nil {
		return err
	}
	var steps []byte
	if len(g.Kept) > 0 {
		list := make(map[string]nodes.Tensor)
		for _, step := range g.Kept {
			for carried, t := range g.Steps[step] {
				list[stepKey(step)+carried] = t
			}
		}
		if steps, err = nodes.EncodeHalf(list); err != nil {
			return err
		}
	}
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	suffix := ""
	if staged {
		suffix = stagedSuffix
	}
	if steps == nil {
		if err := remove(root, name+stepsSuffix+suffix); err != nil {
			return err
		}
	} else if err := replace(root, name+stepsSuffix+suffix, steps); err != nil {
		return err
	}
	if err := replace(root, name+suffix, value); err != nil {
		return err
	}
	return replace(root, name+SidecarSuffix+suffix, side.Bytes())
}

// replace writes a file under a name that no other process has, then renames it.
func replace(root *os.Root, name string, data []byte) error {
	temp := path.Join(path.Dir(name), ".flow-golden-"+rand.Text()+".tmp")
	if err := root.WriteFile(temp, data, 0o666); err != nil {
		return errors.Join(err, remove(root, temp))
	}
	if err := root.Rename(temp, name); err != nil {
		return errors.Join(err, remove(root, temp))
	}
	return nil
}

// remove removes a file that need not be there.
func remove(root *os.Root, name string) error {
	if err := root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Staged says whether a golden has been staged and not yet accepted.
func Staged(root *os.Root, name string) bool {
	_, err := root.Lstat(name + SidecarSuffix + stagedSuffix)
	return err == nil
}

// Accept puts a staged golden in the place of the present one.
func Accept(root *os.Root, name string) error {
	if !Staged(root, name) {
		return fmt.Errorf("nothing is staged for %s", name)
	}
	err := root.Rename(name+stepsSuffix+stagedSuffix, name+stepsSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		err = remove(root, name+stepsSuffix)
	}
	if err != nil {
		return err
	}
	if err := root.Rename(name+stagedSuffix, name); err != nil && !errors.Is(err, fs.ErrNotExist) { // it may have been taken before a halt
		return err
	}
	return root.Rename(name+SidecarSuffix+stagedSuffix, name+SidecarSuffix)
}

// Discard removes what was staged for a golden.
func Discard(root *os.Root, name string) error {
	return errors.Join(remove(root, name+SidecarSuffix+stagedSuffix), remove(root, name+stagedSuffix), remove(root, name+stepsSuffix+stagedSuffix))
}

// Survey looks through a folder: for goldens that nobody expects, by the names of their values, with parts of goldens that have lost the rest,
// and for goldens of which new ones are staged. expected is asked of each golden with its sidecar.
func Survey(root *os.Root, expected func(name string, s *Sidecar) bool) (orphans, staged []string, err error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if value, ok := strings.CutSuffix(name, SidecarSuffix+stagedSuffix); ok {
			staged = append(staged, value)
			continue
		}
		if value, ok := strings.CutSuffix(name, stepsSuffix); ok && isGolden(value) {
			if _, err := root.Lstat(value + SidecarSuffix); errors.Is(err, fs.ErrNotExist) {
				orphans = append(orphans, name)
			}
		}
		value, ok := strings.CutSuffix(name, SidecarSuffix)
		if !ok || !isGolden(value) {
			continue
		}
		s := new(Sidecar)
		if data, err := read(root, name, 64<<20); err != nil || json.Unmarshal(data, s) != nil || s.Form == 0 {
			continue // not a golden's
		}
		if !expected(value, s) {
			orphans = append(orphans, value)
		}
	}
	return orphans, staged, nil
}

// isGolden says whether a name is one that goldens have.
func isGolden(name string) bool { return path.Ext(name) == ".png" || path.Ext(name) == ".safetensors" }
