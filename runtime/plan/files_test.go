package plan

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// layout makes files (ending in no slash), folders and links ("name -> target").
func layout(t *testing.T, root string, entries ...string) {
	t.Helper()
	for _, e := range entries {
		name, target, link := strings.Cut(e, " -> ")
		full := filepath.Join(root, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(full), 0o755)
		switch {
		case err != nil:
		case link:
			err = os.Symlink(strings.ReplaceAll(target, "ROOT", root), full)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(full, 0o755)
		default:
			err = os.WriteFile(full, nil, 0o644)
		}
		if err != nil {
			if link && runtime.GOOS == "windows" {
				t.Skip("links are not to be made here")
			}
			t.Fatal(err)
		}
	}
}

// Folders of a hub cache in finderTree.
const hub, snapshot = "hub/models--a--b", "hub/models--a--b/snapshots/1"

// finderTree makes a workflow's folder with others beside it, and links of every sort between them.
func finderTree(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	layout(t, root,
		"flow/in.png", "flow/model/unet/x.safetensors", "models/other.safetensors", "models/in.png", "secret/key", "secret/model/unet/x.safetensors",
		hub+"/blobs/77", hub+"/refs/main", "hub/models--c/blobs/88",
		snapshot+"/model_index.json -> ../../blobs/77", snapshot+"/unet/x.safetensors -> ../../../blobs/77", snapshot+"/one.safetensors -> ../../blobs/77",
		"hub/models--bad/snapshots/1/x -> ../../../models--c/blobs/88", "hub/models--bad/snapshots/2/x -> ROOT/secret/key",
		"flow/near -> model", "flow/to-models -> ../models/other.safetensors", "flow/out -> ../secret/key", "flow/out-dir -> ../secret", "flow/cached -> ../"+snapshot, "flow/nowhere -> gone", "flow/loop -> loop",
		"flow/trap/unet/x.safetensors -> ../../../secret/key", "flow/deep/unet -> ../../secret/model/unet", "flow/harmless/unet/x -> ../../model/unet/x.safetensors", "flow/harmless/old -> gone",
		"flow/around/self -> ../around", "flow/repo/.git/x -> ../../../secret/key", "flow/chain -> near", "alias -> flow",
	)
	return root
}

func TestFinder(t *testing.T) {
	root := finderTree(t)
	at := func(p string) string { return filepath.Join(root, filepath.FromSlash(p)) }
	flow := func(f Finder) *Finder { f.Folder = at("flow"); return &f }
	for name, tt := range map[string]struct {
		f    *Finder
		path string
		want string // below root, or ! and a part of the error
	}{
		"in the folder":                  {flow(Finder{}), "in.png", "flow/in.png"},
		"a folder":                       {flow(Finder{}), "model", "flow/model"},
		"the folder before the roots":    {flow(Finder{Roots: []string{at("models")}}), "in.png", "flow/in.png"},
		"in a root":                      {flow(Finder{Roots: []string{at("secret/model"), at("models")}}), "other.safetensors", "models/other.safetensors"},
		"nowhere":                        {flow(Finder{}), "other.safetensors", `!there is no "other.safetensors" (paths are relative to the workflow's folder; --models DIR adds another)`},
		"nowhere in roots":               {flow(Finder{Roots: []string{at("models")}}), "x", "!relative to the workflow's folder or to " + at("models")},
		"above":                          {flow(Finder{}), "../secret/key", "!lies outside the workflow's folder (allow it: --allow-path " + at("secret") + ")"},
		"above, allowed":                 {flow(Finder{Allow: []string{at("secret")}}), "../secret/key", "secret/key"},
		"above, the file allowed":        {flow(Finder{Allow: []string{at("secret/key")}}), "../secret/key", "secret/key"},
		"absolute":                       {flow(Finder{}), at("secret/key"), "!lies outside"},
		"absolute, inside":               {flow(Finder{}), at("flow/in.png"), "flow/in.png"},
		"absolute, in a root":            {flow(Finder{Roots: []string{at("models")}}), at("models/in.png"), "models/in.png"},
		"a name that only begins so":     {&Finder{Folder: at("flow/mod")}, "../model", "!lies outside"},
		"link inside":                    {flow(Finder{}), "near", "flow/near"},
		"links in a row":                 {flow(Finder{}), "chain", "flow/chain"},
		"link to a root":                 {flow(Finder{Roots: []string{at("models")}}), "to-models", "flow/to-models"},
		"link to no root":                {flow(Finder{}), "to-models", "!lies outside"},
		"link out":                       {flow(Finder{}), "out", "!lies outside"},
		"through a linked folder":        {flow(Finder{}), "out-dir/key", "!lies outside"},
		"link to nothing":                {flow(Finder{}), "nowhere", `!cannot follow "nowhere"`},
		"link to itself":                 {flow(Finder{}), "loop", `!cannot follow "loop"`},
		"link into a hub":                {flow(Finder{}), "cached", "!lies outside"},
		"link into an allowed hub":       {flow(Finder{Allow: []string{at(snapshot)}}), "cached", "flow/cached"},
		"hub, snapshot is a root":        {flow(Finder{Roots: []string{at("hub/models--a--b/snapshots")}}), "1", snapshot},
		"hub, file of a snapshot":        {flow(Finder{Roots: []string{at(snapshot)}}), "one.safetensors", snapshot + "/one.safetensors"},
		"hub, absolute, not allowed":     {flow(Finder{}), at(snapshot), "!lies outside"},
		"hub, file, not allowed":         {flow(Finder{}), at(snapshot + "/one.safetensors"), "!lies outside"},
		"hub, link into another's blobs": {flow(Finder{Roots: []string{at("hub/models--bad/snapshots")}}), "1", `!"x" in "1" lies outside`},
		"hub, link out":                  {flow(Finder{Roots: []string{at("hub/models--bad/snapshots")}}), "2", "!lies outside"},
		"link out of a model":            {flow(Finder{}), "trap", `!"x.safetensors" in "trap" lies outside`},
		"linked folder of a model":       {flow(Finder{}), "deep", "!lies outside"},
		"links inside a model":           {flow(Finder{}), "harmless", "flow/harmless"},
		"a folder that holds itself":     {flow(Finder{}), "around", "flow/around"},
		"hidden folders":                 {flow(Finder{}), "repo", "flow/repo"},
		"an empty root":                  {flow(Finder{Roots: []string{""}}), "files_test.go", "!there is no"},
		"a folder that is a link":        {&Finder{Folder: at("alias")}, "in.png", "alias/in.png"},
	} {
		got, err := tt.f.Find(tt.path)
		if fail, ok := strings.CutPrefix(tt.want, "!"); ok {
			var e *FindError
			if err == nil || !errors.As(err, &e) || e.Hint == "" || !strings.Contains(err.Error(), fail) {
				t.Errorf("%s: %q, %v; want %q", name, got, err, fail)
			}
		} else if err != nil || got != at(tt.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, at(tt.want))
		}
	}
}

// TestFinderWithRelativeRoots as --models takes them.
func TestFinderWithRelativeRoots(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	layout(t, root, "flow/", "models/a/x", "models/b -> ROOT/models/a")
	t.Chdir(root)
	for _, name := range []string{"a", "b"} {
		got, err := (&Finder{Folder: filepath.Join(root, "flow"), Roots: []string{"models"}}).Find(name)
		if err != nil || got != filepath.Join(root, "models", name) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
