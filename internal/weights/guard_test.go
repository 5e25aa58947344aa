package weights

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bigFile writes a model file of one tensor of 8 MB and opens it.
func bigFile(t *testing.T) (*File, []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "big.safetensors")
	writeTensors(t, path, []stored{{"w", "F32", []int{2 << 20}, make([]byte, 8<<20)}}, nil)
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	w, _ := f.Tensor("w")
	return f, w.Data
}

// total keeps the compiler from leaving reads out.
var total atomic.Int64

// read reads all bytes.
func read(data []byte) {
	s := 0
	for _, b := range data {
		s += int(b)
	}
	total.Add(int64(s))
}

// skipWhereMappingsHold skips tests of faults where a mapped file cannot be cut.
func skipWhereMappingsHold(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("windows refuses to cut a mapped file")
	}
}

func TestGuardNamesAFileThatWasCut(t *testing.T) {
	skipWhereMappingsHold(t)
	f, data := bigFile(t)
	if err := f.Verify(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(f.Path(), 4096); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = f.Guard(func() error { read(data); return nil }) })
	}
	wg.Wait()
	for _, err := range errs {
		var e *Error
		if !errors.As(err, &e) || e.File != f.Path() || !strings.Contains(err.Error(), "its size was") {
			t.Fatalf("error %v", err)
		}
	}
	if err := f.Verify(); err == nil || !strings.Contains(err.Error(), "and is 4096") {
		t.Errorf("error %v", err)
	}
}

func TestGuardWhileTheFileIsCut(t *testing.T) {
	skipWhereMappingsHold(t)
	f, data := bigFile(t)
	done := make(chan error)
	go func() {
		done <- f.Guard(func() error {
			for {
				read(data)
			}
		})
	}()
	time.Sleep(5 * time.Millisecond)
	if err := os.Truncate(f.Path(), 0); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), f.Path()) {
			t.Errorf("error %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the reader goes on reading a file that has no bytes")
	}
}

// TestBundleNamesTheFileThatWasCut among several.
func TestBundleNamesTheFileThatWasCut(t *testing.T) {
	skipWhereMappingsHold(t)
	tensors, _ := castleTensors(t)
	dir := t.TempDir()
	copyConfig(t, castle, dir)
	for _, name := range []string{"unet", "vae"} {
		writeTensors(t, filepath.Join(dir, name, weightBase(name)+".safetensors"), tensors[name], nil)
	}
	m := openModel(t, dir, Options{})
	b := NewBundle(part(t, m, "unet"), part(t, m, "vae"))
	all := func(name string) func() error {
		return func() error {
			for _, s := range contents(t, part(t, m, name)) {
				read(s.data)
			}
			return nil
		}
	}
	if err := os.Truncate(b.Files()[1].Path(), 1<<16); err != nil {
		t.Fatal(err)
	}
	if err := b.Guard(all("unet")); err != nil {
		t.Errorf("the whole file: %v", err)
	}
	if err := b.Guard(all("vae")); err == nil || !strings.Contains(err.Error(), b.Files()[1].Path()) {
		t.Errorf("error %v", err)
	}
	if err := b.Verify(); err == nil || !strings.Contains(err.Error(), b.Files()[1].Path()) {
		t.Errorf("error %v", err)
	}
}

func TestGuardLetsOthersPass(t *testing.T) {
	f, _ := bigFile(t)
	want := errors.New("mine")
	if err := f.Guard(func() error { return want }); err != want {
		t.Errorf("error %v", err)
	}
	for _, bad := range []func(){
		func() { panic("text") },
		func() { var p *int; *p = 1 },
		func() { _ = []int{}[len(f.Path())] },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a panic that is not a fault of the file is gone")
				}
			}()
			_ = f.Guard(func() error { bad(); return nil })
		}()
	}
}

func TestVerifyNamesAChangedFile(t *testing.T) {
	for want, change := range map[string]func(path string) error{
		"it was written": func(path string) error {
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = file.WriteAt([]byte{7}, 4<<20)
			return errors.Join(err, file.Close(), os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)))
		},
		"its size was": func(path string) error {
			file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = file.Write([]byte{7})
			return errors.Join(err, file.Close())
		},
		"another file has its name now": func(path string) error {
			if err := os.Rename(path, path+".old"); err != nil {
				return err
			}
			return os.WriteFile(path, make([]byte, 9<<20), 0o644)
		},
		"no such file": os.Remove,
	} {
		skipWhereMappingsHold(t)
		f, data := bigFile(t)
		if err := change(f.Path()); err != nil {
			t.Fatal(err)
		}
		if err := f.Verify(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), f.Path()) {
			t.Errorf("error %v; want %q in it", err, want)
		}
		if err := f.Guard(func() error { read(data); return nil }); err != nil {
			t.Errorf("%s: reading fails: %v", want, err)
		}
	}
}

// TestCtimeShowsARestoredMtime: setting the times back does not hide a write.
func TestCtimeShowsARestoredMtime(t *testing.T) {
	skipWhereMappingsHold(t)
	f, _ := bigFile(t)
	time.Sleep(20 * time.Millisecond) // coarser than the clock of file systems
	file, err := os.OpenFile(f.Path(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt([]byte{7}, 4<<20)
	if err := errors.Join(err, file.Close(), os.Chtimes(f.Path(), time.Time{}, time.Unix(0, f.Stamp().MtimeNs))); err != nil {
		t.Fatal(err)
	}
	if err := f.Verify(); err == nil || !strings.Contains(err.Error(), "its inode was changed") {
		t.Errorf("error %v", err)
	}
}

func TestDigestOfAFileThatIsCut(t *testing.T) {
	skipWhereMappingsHold(t)
	dir := t.TempDir()
	copyConfig(t, castle, dir)
	path := filepath.Join(dir, "vae", "diffusion_pytorch_model.safetensors")
	writeTensors(t, path, []stored{{"w", "F32", []int{1 << 20}, make([]byte, 4<<20)}}, nil)
	c := part(t, openModel(t, dir, Options{}), "vae")
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Digest(context.Background(), nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}
