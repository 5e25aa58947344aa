// Command gallery renders the workflows of examples/guide into its folder pictures:
//
//	go run ./internal/tools/gallery
//
// Its test renders them anew and compares the pixels.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/spec"
)

func main() {
	const folder = "examples/guide"
	temp, err := os.MkdirTemp("", "gallery")
	if err == nil {
		defer func() { _ = os.RemoveAll(temp) }()
		err = renderAll(context.Background(), folder, temp)
	}
	if err == nil {
		err = keep(temp, filepath.Join(folder, "pictures"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gallery:", err)
		os.Exit(1)
	}
}

// keep copies pictures to a folder.
func keep(from, to string) error {
	names, err := filepath.Glob(filepath.Join(from, "*.png"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o777); err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		path := filepath.Join(to, filepath.Base(name))
		if err := os.WriteFile(path, data, 0o666); err != nil {
			return err
		}
		fmt.Println("wrote", path)
	}
	return nil
}

// renderAll renders every workflow of a folder; NAME.flow.yaml becomes NAME.png in out.
func renderAll(ctx context.Context, folder, out string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.flow.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no workflows in %s: %w", folder, err)
	}
	store := cache.NewMemory()
	for _, file := range files {
		written, err := render(ctx, file, out, store)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".flow.yaml") + ".png"
		if err := os.Rename(written, filepath.Join(out, name)); err != nil {
			return err
		}
	}
	return nil
}

// roots are the examples whose files the guide's workflows use.
func roots(file string) (out []string) {
	for _, name := range []string{"castle", "sci-fi", "pixel-art", "image-prompt"} {
		out = append(out, filepath.Join(filepath.Dir(file), "..", name))
	}
	return out
}

// render renders one workflow and gives the path of its picture.
func render(ctx context.Context, file, out string, store cache.Store) (string, error) {
	w, diags := flowruntime.Read(ctx, file, flowruntime.Options{
		Options: plan.Options{Registry: kinds.Registry(), Files: flowruntime.FinderFor(file, roots(file), nil)},
		Env:     nodes.Env{Executor: cpu.New()}, Store: store, Sink: event.Discard, Folder: out,
	})
	if w == nil || spec.Failed(diags) {
		return "", fmt.Errorf("%v", diags)
	}
	defer w.Close()
	res, err := w.Run(ctx)
	if err == nil {
		err = res.Err
	}
	if err != nil {
		return "", err
	}
	if len(res.Written) != 1 {
		return "", fmt.Errorf("%d pictures", len(res.Written))
	}
	return res.Written[0], nil
}
