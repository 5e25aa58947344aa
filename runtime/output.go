package runtime

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// writer writes outputs below one folder, following no link out of it.
type writer struct {
	folder string
	root   *os.Root
	force  bool // files that flow did not write are written over
	fresh  bool // no file is
}

func newWriter(folder string, force, fresh bool) (*writer, error) {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, fmt.Errorf("the output folder: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("the output folder: %w", err)
	}
	return &writer{folder: folder, root: root, force: force, fresh: fresh}, nil
}

// Picture is a picture that is written beside the outputs of a workflow, by the same rules: a file that flow did not write stays, unless force is set.
type Picture struct {
	File  string
	Force bool
}

// Check says before a run that the picture could not be written.
func (p Picture) Check() error {
	return p.with(func(w *writer, o plan.Output) error { return w.check([]plan.Output{o}) })
}

// Write writes the picture.
func (p Picture) Write(m *nodes.Image) error {
	return p.with(func(w *writer, o plan.Output) error {
		_, err := w.write(o, m, nil)
		return err
	})
}

func (p Picture) with(do func(*writer, plan.Output) error) error {
	w, err := newWriter(filepath.Dir(p.File), p.Force, false)
	if err != nil {
		return err
	}
	defer w.close()
	return do(w, plan.Output{Name: "sheet", Path: filepath.Base(p.File)})
}

func (w *writer) close() { _ = w.root.Close() }

// software marks the pictures that flow has written, in a tEXt chunk: only these are overwritten.
const software = "flow"

// write writes a picture: a temporary file, then a rename. A file that is already as it should be stays untouched;
// one that flow did not write is an error unless force is set. record is a chunk of the file, or nil.
func (w *writer) write(o plan.Output, v nodes.Value, record []byte) (string, error) {
	m, ok := v.(*nodes.Image)
	if !ok {
		return "", fmt.Errorf("it is a %T, not a picture", v)
	}
	data, err := nodes.EncodePNG(m)
	if err != nil {
		return "", err
	}
	data = withChunks(data, textChunk("Software", software), record)
	shown := filepath.Join(w.folder, filepath.FromSlash(o.Path))
	same, err := w.look(o.Path, data)
	if err != nil || same {
		return shown, err
	}
	if dir := path.Dir(o.Path); dir != "." {
		if err := w.root.MkdirAll(dir, 0o777); err != nil {
			return shown, err
		}
	}
	w.sweep(path.Dir(o.Path))
	temp := temporary(path.Dir(o.Path))
	if err := w.fill(temp, data); err != nil {
		return shown, errors.Join(err, w.remove(temp))
	}
	if err := w.root.Rename(temp, o.Path); err != nil {
		return shown, errors.Join(err, w.remove(temp))
	}
	return shown, nil
}

// tempName is the form of the names of temporary files.
var tempName = regexp.MustCompile(`^\.flow-[0-9a-f]{12}\.tmp$`)

// temporary is a new name in a folder.
func temporary(dir string) string {
	var random [6]byte
	_, _ = rand.Read(random[:])
	return path.Join(dir, ".flow-"+hex.EncodeToString(random[:])+".tmp")
}

// abandoned is the age from which a temporary file is one that a killed process has left.
const abandoned = time.Hour

// sweep removes what killed processes have left in a folder. What cannot be removed stays.
func (w *writer) sweep(dir string) {
	entries, err := fs.ReadDir(w.root.FS(), dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !tempName.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = w.root.Remove(path.Join(dir, e.Name()))
		}
	}
}

func (w *writer) remove(temp string) error {
	if err := w.root.Remove(temp); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (w *writer) fill(temp string, data []byte) error {
	f, err := w.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// check says before a run which output could not be written: flow did not write the file that is there, or there is none
// and its folder takes no file.
func (w *writer) check(outputs []plan.Output) error {
	var all []error
	for _, o := range outputs {
		_, err := w.look(o.Path, nil)
		if _, missing := w.root.Lstat(o.Path); err == nil && errors.Is(missing, fs.ErrNotExist) {
			err = w.try(path.Dir(o.Path))
		}
		if err != nil {
			all = append(all, fmt.Errorf("output %q: %w", o.Name, err))
		}
	}
	return errors.Join(all...)
}

// try makes a file in a folder, or in the nearest one above it that is there, and removes it.
func (w *writer) try(dir string) error {
	for dir != "." {
		if _, err := w.root.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		dir = path.Dir(dir)
	}
	temp := temporary(dir)
	err := w.fill(temp, nil)
	if rerr := w.remove(temp); err == nil {
		err = rerr
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // without the temporary name
	}
	if err != nil {
		return fmt.Errorf("no file can be made in %s: %w; name another folder with --out", filepath.Join(w.folder, filepath.FromSlash(dir)), err)
	}
	return nil
}

// look says whether the file is there with these bytes; one that flow did not write is an error.
func (w *writer) look(name string, data []byte) (same bool, err error) {
	info, err := w.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("%s is no regular file", name)
	}
	f, err := w.root.Open(name)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	if data != nil && info.Size() == int64(len(data)) {
		old, err := io.ReadAll(f)
		if err == nil && bytes.Equal(old, data) {
			return true, nil
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return false, err
		}
	}
	if w.fresh {
		return false, fmt.Errorf("%s is there already, and is not written over; name another folder with --out", name)
	}
	if !w.force && !ours(f) {
		return false, fmt.Errorf("%s exists and flow did not write it; move it away or give --force", name)
	}
	return false, nil
}

// pngHead is the signature, the header chunk (8+13+4 bytes), and a text chunk's beginning.
const pngHead = 8 + 25

// ours says whether a file is a picture that flow has written.
func ours(r io.Reader) bool {
	head := make([]byte, pngHead+len(textChunk("Software", software)))
	if _, err := io.ReadFull(r, head); err != nil {
		return false
	}
	return bytes.Equal(head[pngHead:], textChunk("Software", software))
}

// withChunks puts chunks after the header of a PNG.
func withChunks(data []byte, chunks ...[]byte) []byte {
	out := append([]byte(nil), data[:pngHead]...)
	for _, c := range chunks {
		out = append(out, c...)
	}
	return append(out, data[pngHead:]...)
}

// textChunk is a tEXt chunk (PNG specification, 11.3.3.2).
func textChunk(key, text string) []byte {
	body := append([]byte("tEXt"+key+"\x00"), text...)
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)-4))
	out = append(out, body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
}
