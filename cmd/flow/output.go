package main

import (
	"encoding/json"
	"io"
	"log/slog"
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
