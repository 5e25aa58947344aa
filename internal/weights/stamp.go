package weights

import (
	"fmt"
	"os"
	"strings"
)

// FileStamp tells one state of a file from another. Two equal stamps mean equal
// contents, unless the file was written within the clock's resolution of the first.
type FileStamp struct {
	Size    int64
	MtimeNs int64 // last write, ns since 1970
	CtimeNs int64 // last change of the inode, ns since 1970
	Inode   uint64
	Device  uint64
}

// difference says how b differs from s; empty when it does not.
func (s FileStamp) difference(b FileStamp) string {
	var d []string
	if s.Inode != b.Inode || s.Device != b.Device {
		d = append(d, "another file has its name now")
	}
	if s.Size != b.Size {
		d = append(d, fmt.Sprintf("its size was %d and is %d", s.Size, b.Size))
	}
	if len(d) == 0 && s.MtimeNs != b.MtimeNs {
		d = append(d, "it was written")
	}
	if len(d) == 0 && s.CtimeNs != b.CtimeNs {
		d = append(d, "its inode was changed")
	}
	return strings.Join(d, ", ")
}

// Verify compares the file that has this path now with the stamp. The error
// names the file and says how it changed.
func (s FileStamp) Verify(path string) error {
	now, err := stampPath(path)
	if err != nil {
		return &Error{File: path, Problem: "the file changed while it was in use", Err: err, Hint: "run again with the file in place"}
	}
	if d := s.difference(now); d != "" {
		return &Error{File: path, Problem: "the file changed while it was in use: " + d, Hint: "run again when nothing writes it"}
	}
	return nil
}

// stampPath opens path, which must be a regular file, and takes its stamp.
func stampPath(path string) (FileStamp, error) {
	f, err := openRegular(path)
	if err != nil {
		return FileStamp{}, err
	}
	defer func() { _ = f.Close() }()
	return stampFile(f)
}

// openRegular opens a regular file for reading. A pipe or device is refused
// before it is opened, which could block.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &os.PathError{Op: "open", Path: path, Err: fmt.Errorf("is a folder, wanted is a file")}
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "open", Path: path, Err: fmt.Errorf("not a regular file")}
	}
	return os.Open(path)
}
