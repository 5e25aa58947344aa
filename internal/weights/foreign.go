package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// foreign are files that are given for weights by mistake, told apart to be named.
var foreign = []struct{ name, begins, hint string }{
	{"a pointer of Git LFS, not the file itself", "version https://git-lfs", "fetch the file with git lfs pull, or download it"},
	{"a web page", "<", "the download needs a login, or the address is that of a page"},
	{"a GGUF file", "GGUF", "give the safetensors file of the same weights"},
	{"a PNG picture", "\x89PNG", ""}, {"a JPEG picture", "\xff\xd8\xff", ""}, {"a WebP or other RIFF file", "RIFF", ""},
	{"an archive of gzip", "\x1f\x8b", "unpack it"}, {"a 7z archive", "7z\xbc\xaf", "unpack it"}, {"a numpy file", "\x93NUMPY", ""},
	{"an HDF5 file", "\x89HDF", ""}, {"a PDF", "%PDF", ""},
}

// strange says what a file is whose first 8 bytes are no header's length; nil where they are, or say nothing.
func strange(path string, r io.ReaderAt, size int64) error {
	if size == 0 {
		return &Error{File: path, Problem: "the file is empty", Hint: "get the file again from where it came"}
	}
	head := make([]byte, min(size, 64))
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil
	}
	if len(head) >= 8 && binary.LittleEndian.Uint64(head) <= maxHeader {
		return nil
	}
	const wanted = "wanted is a safetensors file, or one of torch.save"
	for _, f := range foreign {
		if bytes.HasPrefix(head, []byte(f.begins)) {
			return &Error{File: path, Problem: fmt.Sprintf("is %s; %s", f.name, wanted), Hint: f.hint}
		}
	}
	if text(head, size > int64(len(head))) {
		return &Error{File: path, Problem: fmt.Sprintf("is text (it begins with %q); %s", head[:min(len(head), 32)], wanted)}
	}
	return nil
}

// text says that bytes are UTF-8 that can be printed; the last character may be cut.
func text(b []byte, cut bool) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return cut && !utf8.FullRune(b)
		}
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return false
		}
		b = b[n:]
	}
	return true
}
