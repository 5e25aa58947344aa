package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// output is standard output; it keeps the first error, so that a full disk is not a success.
type output struct {
	w   io.Writer
	mu  sync.Mutex
	err error
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// failed is the first error of writing.
func (o *output) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// json writes a value on standard output, indented.
func (a *app) json(v any) error {
	e := json.NewEncoder(safetext.JSON(a.out))
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// logged passes events on and logs them.
type logged struct {
	event.Sink
	log *slog.Logger
}

// Emit implements event.Sink.
func (l logged) Emit(e event.Event) {
	if e.Type != event.NodeProgress {
		var args []any
		for _, x := range []struct {
			name string
			set  bool
			v    any
		}{{"node", e.Node != "", e.Node}, {"kind", e.Kind != "", e.Kind}, {"key", e.Key != "", short(e.Key)}, {"reason", e.Reason != "", e.Reason},
			{"bytes", e.Bytes > 0, e.Bytes}, {"seconds", e.Seconds > 0, e.Seconds}, {"path", e.Path != "", e.Path}, {"message", e.Message != "", e.Message}} {
			if x.set {
				args = append(args, x.name, x.v)
			}
		}
		l.log.Debug(string(e.Type), args...)
	}
	l.Sink.Emit(e)
}

// short is the part of a key that is shown.
func short(key string) string { return key[:min(12, len(key))] }

// writable says before any work why a file that it is to end in cannot be written; it leaves the file as it is. The file must not be the one that
// the work reads. An empty path is no file.
func writable(what, path, reads string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return &exitError{exitFile, fmt.Sprintf("%s: %s is a folder; name a file", what, path)}
	case err == nil:
		if from, err := os.Stat(reads); err == nil && os.SameFile(info, from) {
			return &exitError{exitFile, fmt.Sprintf("%s would be written over %s, which is read; name another file", what, path)}
		}
		var f *os.File
		if f, err = os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			err = f.Close()
		}
	case errors.Is(err, fs.ErrNotExist):
		var f *os.File
		if f, err = os.CreateTemp(filepath.Dir(path), ".flow-*"); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		} else if broken := new(fs.PathError); errors.As(err, &broken) {
			err = broken.Err
		}
	}
	if err != nil {
		return &exitError{exitRun, fmt.Sprintf("%s: no file can be made as %s: %v", what, path, err)}
	}
	return nil
}
