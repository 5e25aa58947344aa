package spec

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"
)

// Limits of a workflow file.
const (
	MaxSize   = 1 << 20 // bytes of text
	maxDepth  = 64      // lists and maps in each other
	maxValues = 100_000 // values after aliases are followed
)

// ReadFile reads a workflow file. What is too large or no regular file is refused without reading it.
func ReadFile(path string) ([]byte, *Diagnostic) {
	fail := func(code, hint, format string, args ...any) ([]byte, *Diagnostic) {
		return nil, &Diagnostic{File: path, Code: code, Hint: hint, Message: fmt.Sprintf(format, args...)}
	}
	info, err := os.Stat(path)
	if err != nil {
		return fail("F0101", neighbour(path), "cannot read the file: %v", reason(err))
	}
	if info.IsDir() {
		return fail("F0101", "name a workflow file in it", "is a folder")
	}
	if !info.Mode().IsRegular() {
		return fail("F0101", "", "is no regular file")
	}
	if info.Size() > MaxSize {
		return fail("F0102", "a workflow names weights and pictures by their paths", "is %d bytes; a workflow file has at most %d", info.Size(), MaxSize)
	}
	f, err := os.Open(path)
	if err != nil {
		return fail("F0101", "", "cannot read the file: %v", reason(err))
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return fail("F0101", "", "cannot read the file: %v", reason(err))
	}
	return data, nil
}

// neighbour suggests a file beside one that is missing.
func neighbour(path string) string {
	dir, name := filepath.Split(path)
	f, err := os.Open(filepath.Clean(dir + "."))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	names, _ := f.Readdirnames(1000) // what was read is enough for a hint
	return Suggest(name, names)
}

// reason is an error without the path that the diagnostic names already.
func reason(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}

// checkText refuses what is no text of a workflow before the YAML reader sees it.
func checkText(c *collector, src []byte) ([]byte, bool) {
	switch {
	case len(src) > MaxSize:
		c.errorf(Pos{}, "F0102", "", "is more than %d bytes", MaxSize)
	case bytes.HasPrefix(src, []byte("\x89PNG\r\n\x1a\n")):
		c.errorf(Pos{}, "F0102", "flow show PICTURE --workflow prints the workflow that a picture of flow's holds; flow run takes the picture, too", "is a picture, and no workflow file")
	case bytes.HasPrefix(src, []byte{0xff, 0xfe}), bytes.HasPrefix(src, []byte{0xfe, 0xff}):
		c.errorf(Pos{}, "F0102", "save it as UTF-8", "is UTF-16 text")
	case bytes.IndexByte(src, 0) >= 0:
		line, col := place(src, bytes.IndexByte(src, 0))
		c.errorf(Pos{line, col, 1}, "F0102", "", "holds a NUL byte: this is no text")
	case !utf8.Valid(src):
		i := firstInvalid(src)
		line, col := place(src, i)
		c.errorf(Pos{line, col, 1}, "F0102", "save it as UTF-8", "is not UTF-8 from here on")
	case oddBreak(src) >= 0:
		line, col := place(src, oddBreak(src))
		c.errorf(Pos{line, col, 1}, "F0102", "end lines with a line feed; inside quotes write \\r, \\N, \\L or \\P", "a character stands here that ends a line to some readers alone")
	default:
		src = bytes.TrimPrefix(src, []byte("\ufeff"))
		if i := tooDeep(src); i >= 0 {
			line, col := place(src, i)
			c.errorf(Pos{line, col, 1}, "F0104", "", "lists and maps are nested more than %d deep", maxDepth)
			return nil, false
		}
		return src, true
	}
	return nil, false
}

// oddBreak finds what YAML readers disagree on: a carriage return alone, U+0085, U+2028 or U+2029; -1 if there is none.
func oddBreak(src []byte) int {
	for i, b := range src {
		switch {
		case b == '\r' && (i+1 == len(src) || src[i+1] != '\n'):
			return i
		case b == 0xc2 && src[i+1] == 0x85, b == 0xe2 && src[i+1] == 0x80 && (src[i+2] == 0xa8 || src[i+2] == 0xa9):
			return i
		}
	}
	return -1
}

func firstInvalid(src []byte) int {
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return 0
}

// place gives the line and column of a byte.
func place(src []byte, i int) (line, col int) {
	start := bytes.LastIndexByte(src[:i], '\n') + 1
	return bytes.Count(src[:i], []byte{'\n'}) + 1, utf8.RuneCount(src[start:i]) + 1
}

// tooDeep finds where brackets, or list and key marks on one line, nest deeper than any workflow; -1 if nowhere. It
// overcounts brackets inside text, which is harmless at this depth.
func tooDeep(src []byte) int {
	brackets, marks := 0, 0
	for i, b := range src {
		switch b {
		case '[', '{':
			brackets++
		case ']', '}':
			brackets = max(0, brackets-1)
		case '\n':
			marks = 0
		case '-', '?':
			if i+1 < len(src) && (src[i+1] == ' ' || src[i+1] == '\t' || src[i+1] == '\n') {
				marks++
			}
		}
		if brackets > 4*maxDepth || marks > maxDepth {
			return i
		}
	}
	return -1
}
