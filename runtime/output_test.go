package runtime

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

func picture(shade byte) *nodes.Image {
	return &nodes.Image{Width: 2, Height: 1, Pix: []byte{shade, 2, 3, 4, 5, 6}}
}

func openWriter(t *testing.T, folder string, force bool) *writer {
	t.Helper()
	w, err := newWriter(folder, force, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

func tree(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	w := openWriter(t, dir, false)
	out := plan.Output{Name: "p", Path: "a/b/c.png"}
	shown, err := w.write(out, picture(1), nil)
	if err != nil || shown != filepath.Join(dir, "a", "b", "c.png") {
		t.Fatal(shown, err)
	}
	data, err := os.ReadFile(shown)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(data)); err != nil {
		t.Errorf("not a PNG: %v", err)
	}
	m, err := nodes.DecodePNG(data)
	if err != nil || !bytes.Equal(m.Pix, picture(1).Pix) {
		t.Errorf("%v, %v", m, err)
	}
	if !ours(bytes.NewReader(data)) {
		t.Error("flow does not know its own picture")
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(shown, old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := w.write(out, picture(1), nil); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(shown); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("a picture that is as it should be was written again: %v", err)
	}
	if _, err := w.write(out, picture(9), nil); err != nil {
		t.Errorf("our own picture is not overwritten: %v", err)
	}
	if got := tree(t, dir); !slices.Equal(got, []string{"a/b/c.png"}) {
		t.Errorf("files %v", got)
	}
}

func TestWriteSparesOthersFiles(t *testing.T) {
	dir := t.TempDir()
	foreign, err := nodes.EncodePNG(picture(7))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"letter.png": []byte("dear reader"), "empty.png": nil, "other.png": foreign} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
		out := plan.Output{Name: "p", Path: name}
		w := openWriter(t, dir, false)
		if _, err := w.write(out, picture(1), nil); err == nil || !strings.Contains(err.Error(), name+" exists and flow did not write it; move it away or give --force") {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.check([]plan.Output{out}); err == nil || !strings.Contains(err.Error(), `output "p": `+name) {
			t.Errorf("%s, before: %v", name, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s was changed: %v", name, err)
		}
		forced := openWriter(t, dir, true)
		if _, err := forced.write(out, picture(1), nil); err != nil {
			t.Errorf("%s with --force: %v", name, err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.png"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := openWriter(t, dir, true).write(plan.Output{Path: "folder.png"}, picture(1), nil); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: %v", err)
	}
}

// TestCheckTriesTheFolder before hours of work, and leaves nothing there; a picture that is there may be right as it is.
func TestCheckTriesTheFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w := openWriter(t, dir, false)
	if err := w.check([]plan.Output{{Name: "p", Path: "new/deep/p.png"}, {Name: "q", Path: "q.png"}}); err != nil {
		t.Errorf("a folder that takes files: %v", err)
	}
	if got := tree(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Errorf("files %v", got)
	}
	if err := w.check([]plan.Output{{Name: "p", Path: "file/p.png"}}); err == nil || !strings.Contains(err.Error(), `output "p": `) {
		t.Errorf("below a file: %v", err)
	}
	out := plan.Output{Name: "p", Path: "out/p.png"}
	if _, err := w.write(out, picture(1), nil); err != nil {
		t.Fatal(err)
	}
	sealed := filepath.Join(dir, "out")
	if err := os.Chmod(sealed, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(sealed, 0o755) })
	if err := w.check([]plan.Output{out}); err != nil {
		t.Errorf("a picture that is there: %v", err)
	}
	if err := os.WriteFile(filepath.Join(sealed, "x"), nil, 0o644); err == nil {
		t.Skip("this user may write anywhere")
	}
	out.Path = "out/deep/new.png"
	if err := w.check([]plan.Output{out}); err == nil || !strings.Contains(err.Error(), "no file can be made in "+sealed+": permission denied; name another folder with --out") {
		t.Errorf("a folder that takes no files: %v", err)
	}
}

// TestWriteFollowsNoLink out of the folder, nor through a file's own name.
func TestWriteFollowsNoLink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links are not to be made here")
	}
	dir, outside := t.TempDir(), t.TempDir()
	victim := filepath.Join(outside, "victim.png")
	if err := os.WriteFile(victim, withChunks(mustPNG(t), textChunk("Software", software)), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"out": outside, "file.png": victim, "up.png": "../x.png"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, force := range []bool{false, true} {
		w := openWriter(t, dir, force)
		for _, path := range []string{"out/new.png", "out/victim.png", "file.png", "up.png"} {
			if _, err := w.write(plan.Output{Path: path}, picture(1), nil); err == nil {
				t.Errorf("%s was written, force %v", path, force)
			}
		}
	}
	if got := tree(t, outside); !slices.Equal(got, []string{"victim.png"}) {
		t.Errorf("files outside: %v", got)
	}
}

func mustPNG(t *testing.T) []byte {
	t.Helper()
	data, err := nodes.EncodePNG(picture(1))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestWriteSweeps what killed processes have left, and only that.
func TestWriteSweeps(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{".flow-0123456789ab.tmp": 2 * time.Hour, ".flow-ffffffffffff.tmp": time.Minute, ".flow-0123456789AB.tmp": 2 * time.Hour,
		".flow-0123456789abc.tmp": 2 * time.Hour, "flow-0123456789ab.tmp": 2 * time.Hour, "old.png": 2 * time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Now().Add(-age), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openWriter(t, dir, false).write(plan.Output{Path: "a.png"}, picture(1), nil); err != nil {
		t.Fatal(err)
	}
	want := []string{".flow-0123456789AB.tmp", ".flow-0123456789abc.tmp", ".flow-ffffffffffff.tmp", "a.png", "flow-0123456789ab.tmp", "old.png"}
	if got := tree(t, dir); !slices.Equal(got, want) {
		t.Errorf("left %v", got)
	}
}

func TestWriteRefusesDamagedPictures(t *testing.T) {
	dir := t.TempDir()
	if _, err := openWriter(t, dir, false).write(plan.Output{Path: "a.png"}, &nodes.Image{Width: 3, Height: 3, Pix: []byte{1}}, nil); err == nil || len(tree(t, dir)) != 0 {
		t.Errorf("%v, %v", err, tree(t, dir))
	}
}
