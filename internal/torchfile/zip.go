package torchfile

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/pickle"
)

// budget is a ReaderAt that gives so many bytes: what the zip library reads to list a file.
type budget struct {
	io.ReaderAt
	left int64
}

var errBudget = fmt.Errorf("a zip directory of more than %d bytes is not accepted", maxDirectory)

// ReadAt implements io.ReaderAt.
func (b *budget) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errBudget
	}
	return b.ReaderAt.ReadAt(p, off)
}

// readZip reads the pickle of an archive and finds its storages.
func readZip(r io.ReaderAt, size int64) (any, map[string]span, error) {
	limited := &budget{r, maxDirectory}
	archive, err := zip.NewReader(limited, size)
	if errors.Is(err, errBudget) {
		return nil, nil, errBudget
	}
	if err != nil {
		return nil, nil, fmt.Errorf("not a whole zip archive: %w", err)
	}
	limited.left = int64(^uint64(0) >> 1)
	root, err := rootOf(archive)
	if err != nil {
		return nil, nil, err
	}
	var program *zip.File
	storages := make(map[string]span)
	for _, f := range archive.File {
		name, ok := strings.CutPrefix(f.Name, root)
		if !ok {
			return nil, nil, fmt.Errorf("the archive holds %.100q outside its folder %.100q", f.Name, root)
		}
		if err := known(name, f, r); err != nil {
			return nil, nil, err
		}
		if name == "data.pkl" {
			program = f
		}
		key, ok := strings.CutPrefix(name, "data/")
		if !ok {
			continue
		}
		if _, dup := storages[key]; dup {
			return nil, nil, fmt.Errorf("the archive holds %.100q twice", f.Name)
		}
		if storages[key], err = stored(f, size); err != nil {
			return nil, nil, fmt.Errorf("%.100q: %w", f.Name, err)
		}
	}
	if err := apart(storages); err != nil {
		return nil, nil, err
	}
	value, err := decodeFile(program)
	return value, storages, err
}

// rootOf gives the archive's folder, with its slash: the one that holds data.pkl.
func rootOf(archive *zip.Reader) (string, error) {
	root, found := "", false
	for _, f := range archive.File {
		prefix, ok := strings.CutSuffix(f.Name, "data.pkl")
		if !ok || prefix != "" && (!strings.HasSuffix(prefix, "/") || strings.Count(prefix, "/") > 1) {
			continue
		}
		if found {
			return "", errors.New("the archive holds data.pkl twice")
		}
		root, found = prefix, true
	}
	if !found {
		return "", errors.New("a zip archive without data.pkl: not written by torch.save")
	}
	return root, nil
}

// known refuses what changes the meaning of an archive: compiled models and big-endian data.
func known(name string, f *zip.File, r io.ReaderAt) error {
	switch {
	case name == "constants.pkl" || strings.HasPrefix(name, "code/"):
		return errors.New("a compiled TorchScript model, which holds a program, not weights alone")
	case name == "byteorder" && f.Method == zip.Store:
		at, err := f.DataOffset()
		if err != nil {
			return fmt.Errorf("%.100q: %w", f.Name, err)
		}
		order := make([]byte, min(f.UncompressedSize64, 8))
		if _, err := r.ReadAt(order, at); err != nil || string(order) != "little" {
			return fmt.Errorf("byte order %q is not little; save it on another machine", order)
		}
	}
	return nil
}

// stored gives the place of a file that is stored uncompressed, as torch.save stores.
func stored(f *zip.File, size int64) (span, error) {
	if f.Flags&1 != 0 {
		return span{}, errors.New("is encrypted")
	}
	if f.Method != zip.Store {
		return span{}, errors.New("is compressed, which torch.save does not do; save it with torch.save")
	}
	if f.CompressedSize64 != f.UncompressedSize64 {
		return span{}, fmt.Errorf("is stored in %d bytes and said to have %d", f.CompressedSize64, f.UncompressedSize64)
	}
	begin, err := f.DataOffset()
	if err != nil {
		return span{}, err
	}
	if begin < 0 || begin > size || f.CompressedSize64 > uint64(size-begin) {
		return span{}, fmt.Errorf("reaches from byte %d, with %d bytes, beyond the file's end at %d", begin, f.CompressedSize64, size)
	}
	return span{begin, begin + int64(f.CompressedSize64)}, nil
}

// apart makes sure that no byte belongs to two storages.
func apart(storages map[string]span) error {
	all := make([]span, 0, len(storages))
	for _, s := range storages {
		if s.end > s.begin {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b span) int { return int(max(-1, min(1, a.begin-b.begin))) })
	for i := 1; i < len(all); i++ {
		if all[i].begin < all[i-1].end {
			return fmt.Errorf("two storages share the file's byte %d", all[i].begin)
		}
	}
	return nil
}

// decodeFile reads the pickle, which may be compressed.
func decodeFile(f *zip.File) (any, error) {
	body, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("data.pkl: %w", err)
	}
	defer func() { _ = body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(body, pickle.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("data.pkl: %w", err)
	}
	value, n, err := pickle.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("data.pkl: %w", err)
	}
	if n != len(raw) {
		return nil, fmt.Errorf("data.pkl: something follows the pickle's end at byte %d", n)
	}
	return value, nil
}
