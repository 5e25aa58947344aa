package weights

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestForeign names what is given for weights by mistake, and takes no damaged safetensors file for something else.
func TestForeign(t *testing.T) {
	for _, c := range []struct{ name, content, want string }{
		{"empty", "", "the file is empty"},
		{"text", "not weights, but a text", `is text (it begins with "not weights, but a text")`},
		{"long text", strings.Repeat("schöne Grüße ", 40), "is text"},
		{"short text", "no", `is text (it begins with "no")`},
		{"page", "<!DOCTYPE html><html></html>", "is a web page"},
		{"pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"},
		{"picture", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is a PNG picture"},
		{"bytes", strings.Repeat("\x01\xff\x80", 30), "or this is not a safetensors file"},
		{"short bytes", "\x00\x01", "2 bytes are too few for a safetensors file"},
		{"cut header that begins as a page does", "<\x00\x00\x00\x00\x00\x00\x00{\"a\"", "the file is truncated"},
		{"bad header that begins as a page does", "<\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("[", 60), "'[' where '{' should be"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "given.safetensors")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := OpenFile(path)
			var e *Error
			if !errors.As(err, &e) || e.File != path || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
	if _, err := OpenFile(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a folder, wanted is a file") {
		t.Errorf("a folder: %v", err)
	}
}
