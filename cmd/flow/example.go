package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/examples/castle"
	"github.com/seed-8af8f8e1/flow/examples/guide"
	imageprompt "github.com/seed-8af8f8e1/flow/examples/image-prompt"
	"github.com/seed-8af8f8e1/flow/examples/matrix"
	pixelart "github.com/seed-8af8f8e1/flow/examples/pixel-art"
	scifi "github.com/seed-8af8f8e1/flow/examples/sci-fi"
	"github.com/seed-8af8f8e1/flow/schema"
	"github.com/seed-8af8f8e1/flow/workflows"
)

// example is what flow example writes: the files of several packages, so that examples share the small model.
type example struct {
	workflow string
	parts    []fs.FS
}

var examples = map[string]example{
	"castle":       {castle.Workflow, []fs.FS{castle.Files()}},
	"image-prompt": {imageprompt.Workflow, []fs.FS{castle.Model(), imageprompt.Files()}},
	"sci-fi":       {scifi.Workflow, []fs.FS{castle.Model(), scifi.Files()}},
	"matrix":       {matrix.Workflow, []fs.FS{castle.Model(), matrix.Files()}},
	"guide":        {guide.Workflow, []fs.FS{castle.Model(), scifi.LoRA(), pixelart.LoRA(), imageprompt.Adapter(), guide.Files()}},
	"sdxl":         {"castle-1-baseline.flow.yaml", []fs.FS{workflows.Files()}},
	"pixel-art":    {pixelart.Workflow, []fs.FS{castle.Model(), scifi.LoRA(), pixelart.Files()}},
}

func exampleCommand(a *app) *cobra.Command {
	names := slices.Sorted(maps.Keys(examples))
	return &cobra.Command{
		Use:       "example NAME [DIR]",
		Short:     "Write an example with a small model into a folder",
		Long:      "Writes an example's workflow, its small model and the schema for editors into DIR (default: NAME); sdxl is the workflows for the real SDXL, without weights. Files that are there and differ stay; they are an error.\n\nExamples: " + strings.Join(names, ", "),
		Example:   "  flow example castle && flow run castle/castle.flow.yaml",
		Args:      takes(1, 2, "a NAME, and a DIR if you like"),
		ValidArgs: names,
		RunE: func(_ *cobra.Command, args []string) error {
			x, ok := examples[args[0]]
			if !ok {
				return fmt.Errorf("there is no example %q; there is %s", args[0], strings.Join(names, ", "))
			}
			dir := args[0]
			if len(args) == 2 {
				dir = args[1]
			}
			if err := writeExample(x.parts, dir); err != nil {
				return &exitError{exitRun, err.Error()}
			}
			fmt.Fprintf(a.out, "wrote %s\nnow: flow run %s\n", dir, filepath.Join(dir, x.workflow))
			return nil
		},
	}
}

// writeExample writes an example's files below dir. It looks first, so that nothing is written where something is in the way.
func writeExample(parts []fs.FS, dir string) error {
	files, err := exampleFiles(parts)
	if err != nil {
		return err
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		switch old, err := os.ReadFile(path); {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, name)
		case err != nil:
			return err
		case !bytes.Equal(old, files[name]):
			return fmt.Errorf("%s exists and differs; name another folder", path)
		}
	}
	for _, name := range missing {
		if err := writeFile(filepath.Join(dir, filepath.FromSlash(name)), files[name]); err != nil {
			return err
		}
	}
	return nil
}

// schemaFile is the schema's name beside an example's workflows.
const schemaFile = "flow.v1.schema.json"

// modeline is the line by which editors find the schema. In the repository it names a folder that an example written out has not.
var modeline = regexp.MustCompile(`(?m)^# yaml-language-server: \$schema=\S*$`)

// exampleFiles gives the files of several parts by name, with the schema and with workflows whose editors find it there.
func exampleFiles(parts []fs.FS) (map[string][]byte, error) {
	files := map[string][]byte{schemaFile: schema.V1}
	for _, part := range parts {
		err := fs.WalkDir(part, ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			data, err := fs.ReadFile(part, name)
			if strings.HasSuffix(name, ".flow.yaml") {
				data = modeline.ReplaceAllLiteral(data, []byte("# yaml-language-server: $schema="+schemaFile))
			}
			files[name] = data
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// writeFile writes one file: a temporary one, then a rename.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	temp := path + ".flow-tmp"
	err := os.WriteFile(temp, data, 0o666)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp) // where it is there
	}
	return err
}
