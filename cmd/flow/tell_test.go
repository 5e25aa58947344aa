package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A report that cannot be written leaves the one that is there, and nothing else; a link to a file stays a link.
func TestReportsAreWrittenWhole(t *testing.T) {
	dir := t.TempDir()
	page, link := filepath.Join(dir, "page.html"), filepath.Join(dir, "link.html")
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	if err := create(page, text("old")); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no more")
	err := create(page, func(w io.Writer) error { return errors.Join(text("half")(w), failed) })
	if data, _ := os.ReadFile(page); !errors.Is(err, failed) || string(data) != "old" {
		t.Errorf("%v leaves %q", err, data)
	}
	if err := os.Symlink("page.html", link); err != nil {
		t.Skip(err)
	}
	if err := create(link, text("new")); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != "page.html" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if data, _ := os.ReadFile(page); string(data) != "new" {
		t.Errorf("through the link: %q", data)
	}
	if list, _ := os.ReadDir(dir); len(list) != 2 {
		t.Errorf("%d files are left", len(list))
	}
	if err := create(os.DevNull, text("gone")); err != nil {
		t.Error(err)
	}
}
