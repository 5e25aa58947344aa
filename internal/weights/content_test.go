package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// contentsOf gives a model's files by their names below its folder.
func contentsOf(t *testing.T, dir string) map[string]*Content {
	t.Helper()
	m, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	for _, name := range Components {
		if _, err := m.Component(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Tokenizer("tokenizer"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Scheduler(); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]*Content)
	for _, c := range m.Contents() {
		rel, err := filepath.Rel(dir, c.Path())
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.ToSlash(rel)] = c
	}
	return out
}

// TestContents: all files that were read are listed, each with the SHA-256 that it has.
func TestContents(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(castle)); err != nil {
		t.Fatal(err)
	}
	list := contentsOf(t, dir)
	for _, name := range []string{"model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json", "unet/config.json",
		"unet/diffusion_pytorch_model.safetensors", "text_encoder_2/model.safetensors"} {
		if list[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	for name, c := range list {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		sum, err := c.Sum(t.Context(), nil, true)
		if err != nil {
			t.Fatal(err)
		}
		if sum.SHA256 != sha256.Sum256(data) || c.Size() != int64(len(data)) {
			t.Errorf("%s: %s, %d bytes", name, sum.SHA256, c.Size())
		}
		if weights := strings.HasSuffix(name, ".safetensors"); weights != (sum.Header != Digest{}) || weights != (sum.Tensors != Digest{}) {
			t.Errorf("%s: header %s, tensors %s", name, sum.Header, sum.Tensors)
		}
	}
}

// TestContentTellsEveryByte: header and tensors together change with any byte of a safetensors file, without the whole's SHA-256.
func TestContentTellsEveryByte(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.safetensors")
	data, err := os.ReadFile(filepath.Join(castle, "vae/diffusion_pytorch_model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	sumOf := func(data []byte) (FileSum, error) {
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := OpenFile(name)
		if err != nil {
			return FileSum{}, err
		}
		defer func() { _ = f.Close() }()
		return f.Content().Sum(t.Context(), nil, false)
	}
	whole, err := sumOf(data)
	if err != nil || whole.SHA256 != (Digest{}) {
		t.Fatal(whole, err)
	}
	seen := 0
	for i := 0; i < len(data); i += 9973 {
		changed := bytes.Clone(data)
		changed[i] ^= 1
		got, err := sumOf(changed)
		if err != nil {
			continue // the header is none any more
		}
		seen++
		if got == whole || i > 1<<16 && got.Header != whole.Header {
			t.Errorf("byte %d: %+v", i, got)
		}
	}
	if seen < 100 {
		t.Errorf("%d bytes", seen)
	}
}

// TestContentHashedOnce: the tensors that a component has under the file's own names are read for its digest alone, and what was summed is
// remembered for as long as the file stays what it was.
func TestContentHashedOnce(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(castle)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "unet/diffusion_pytorch_model.safetensors")
	age := func() {
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(file, old, old); err != nil {
			t.Fatal(err)
		}
		time.Sleep(settle) // the inode's time cannot be set
	}
	age()
	memo := newMapMemo()
	c := contentsOf(t, dir)["unet/diffusion_pytorch_model.safetensors"]
	if _, unread, ok := c.Known(memo, false); ok || unread != c.Size() {
		t.Fatalf("known before it is read: %d", unread)
	}
	sum, err := c.Sum(t.Context(), memo, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, unread, ok := c.parts[0].Remembered(memo); !ok || unread != 0 {
		t.Error("the component's tensors are to be hashed again")
	}
	again := contentsOf(t, dir)["unet/diffusion_pytorch_model.safetensors"]
	if got, unread, ok := again.Known(memo, false); !ok || unread != 0 || got != sum {
		t.Errorf("not remembered: %d", unread)
	}
	if _, _, ok := again.Known(memo, true); ok {
		t.Error("the SHA-256 of the whole is known and was never found")
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{1}, 5_000_000); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	changed := contentsOf(t, dir)["unet/diffusion_pytorch_model.safetensors"]
	if _, _, ok := changed.Known(memo, false); ok {
		t.Error("a file that was written is taken for the one before")
	}
	if got, err := changed.Sum(t.Context(), memo, false); err != nil || got.Tensors == sum.Tensors || got.Header != sum.Header {
		t.Error("a byte of a tensor does not tell", err)
	}
}

// TestContentOfComponents: what a component's digest took is known of the file without reading it, also in a process that opens it anew; tensors that no
// component has are read where they are small.
func TestContentOfComponents(t *testing.T) {
	const name = "vae/diffusion_pytorch_model.safetensors"
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(castle)); err != nil {
		t.Fatal(err)
	}
	memo := newMapMemo()
	c := contentsOf(t, dir)[name]
	want, err := contentsOf(t, dir)[name].Sum(t.Context(), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.parts[0].Digest(t.Context(), memo); err != nil {
		t.Fatal(err)
	}
	if got, unread, ok := c.Known(memo, false); !ok || unread != 0 || got != want {
		t.Errorf("after its component was hashed: %v, %d to read, %+v for %+v", ok, unread, got, want)
	}
	if _, _, ok := c.Known(memo, true); ok {
		t.Error("the SHA-256 of the whole is known and was never found")
	}
	for bytes, known := range map[int]bool{616: true, fewBytes + 4: false} { // beside the component's
		extended(t, filepath.Join(dir, name), filepath.Join(castle, name), bytes)
		c := contentsOf(t, dir)[name]
		if _, err := c.parts[0].Digest(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		got, _, ok := c.Known(nil, false)
		if ok != known {
			t.Errorf("with %d bytes of another tensor: known %v", bytes, ok)
		}
		if want, err := c.Sum(t.Context(), nil, false); known && (err != nil || got != want) {
			t.Errorf("with another tensor: %+v for %+v, %v", got, want, err)
		}
	}
}

// extended writes a safetensors file with another tensor at its end.
func extended(t *testing.T, to, from string, size int) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(data)
	var header map[string]any
	if err := json.Unmarshal(data[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	end := len(data) - 8 - int(n)
	header["position_ids"] = map[string]any{"dtype": "F32", "shape": []int{size / 4}, "data_offsets": []int{end, end + size}}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	out = slices.Concat(out, text, data[8+n:], make([]byte, size))
	if err := os.WriteFile(to, out, 0o666); err != nil {
		t.Fatal(err)
	}
}
