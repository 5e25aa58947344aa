package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/lora"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

func loraCommand(a *app) *cobra.Command {
	c := group(&cobra.Command{Use: "lora", Short: "Look into LoRA files"})
	c.AddCommand(loraInspectCommand(a))
	return c
}

func loraInspectCommand(a *app) *cobra.Command {
	var model, variant string
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Say what a LoRA file holds, and whether it fits a model",
		Long: `Prints the format of a LoRA file, its rank and alpha, which parts of a model it changes and what the
trainer wrote into it. With --model it says how many keys find a layer of that model, and lists those
that do not. Headers are read, no weights.`,
		Example: "  flow lora inspect loras/sci-fi.safetensors --model model",
		Args:    takes(1, 1, "one FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := lora.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			var shapes lora.Model
			if model != "" {
				if shapes, err = modelShapes(model, variant); err != nil {
					return err
				}
			}
			r := f.Describe(shapes)
			if asJSON {
				return a.json(r)
			}
			a.printLoRA(r)
			return nil
		},
	}
	c.Flags().StringVar(&model, "model", "", "match it with this model: a diffusers folder or a single file")
	c.Flags().StringVar(&variant, "variant", "", "the variant of the model's weight files, such as fp16")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

// modelShapes are the shapes of what a LoRA changes in a model.
func modelShapes(path, variant string) (lora.Model, error) {
	m, err := weights.Open(path, weights.Options{Variant: variant})
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }()
	out := make(lora.Model)
	for _, name := range []string{"unet", "text_encoder", "text_encoder_2"} {
		c, err := m.Component(name)
		if err != nil {
			return nil, err
		}
		out[name] = c.Shapes()
	}
	return out, nil
}

// printLoRA writes a report as lines of a name and a value.
func (a *app) printLoRA(r *lora.Report) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(a.out, "%-14s %s\n", name, safetext.Line(fmt.Sprintf(format, args...)))
	}
	line("format", "%s", strings.Join(r.Formats, "; "))
	for _, m := range slices.Sorted(maps.Keys(r.Methods)) {
		line("method", "%s, %d layers", m, r.Methods[m])
	}
	line("rank", "%s", list(r.Ranks, "none"))
	line("alpha", "%s", list(r.Alphas, "none: the rank"))
	for _, p := range slices.Sorted(maps.Keys(r.Parts)) {
		line(p, "%d layers", r.Parts[p])
	}
	if r.Made != "" {
		line("made for", "%s", r.Made)
	}
	if r.Fit != nil {
		line("matched", "%d of %d keys", r.Fit.Matched, r.Keys)
		for _, key := range r.Fit.Unmatched {
			line("unmatched", "%s", key)
		}
		for _, p := range r.Fit.Problems {
			line("does not fit", "%s", p)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(r.Metadata)) {
		line("metadata", "%s %s", key, r.Metadata[key])
	}
}

// list shows values by commas, or what their absence means.
func list[T any](values []T, none string) string {
	if len(values) == 0 {
		return none
	}
	var out []string
	for _, v := range values {
		out = append(out, fmt.Sprint(v))
	}
	return strings.Join(out, ", ")
}
