package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/convert"
	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

func convertCommand(a *app) *cobra.Command {
	var opt convert.Options
	var out string
	c := &cobra.Command{
		Use:   "convert FILE|FOLDER -o OUT.safetensors",
		Short: "Write a part of a model as safetensors, under its own, diffusers' or Refiners' names",
		Long: `Reads a diffusers folder, a component's folder, a single-file checkpoint, Refiners' files, or any
file of safetensors or torch.save (.bin, .ckpt, .pt; nothing in it is run), and writes one part of it
as safetensors:

  --to original    the names that tensors have in the file (the default); without --part, all of them
  --to diffusers   the names of a diffusers folder
  --to refiners    the names of Refiners, byte for byte the file that its own conversion writes

Parts: ` + strings.Join(convert.Parts, ", ") + `.
docs/convert.md says what can be converted to what.`,
		Example: `  flow convert sdxl-base-1.0 --to refiners --part unet --half -o unet.safetensors
  flow convert ip-adapter-plus_sdxl_vit-h.bin -o ip-adapter-plus.safetensors`,
		Args: takes(1, 1, "a FILE or a FOLDER"),
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return errors.New("convert needs a place to write to; add: -o OUT.safetensors")
			}
			res, err := convert.Convert(c.Context(), args[0], out, opt)
			if err != nil {
				return convertError(err)
			}
			what := ""
			if res.Part != "" {
				what = res.Part + ": "
			}
			fmt.Fprintf(a.out, "wrote %s: %s%d tensors, %s\n", out, what, res.Tensors, humanize.Bytes(uint64(res.Bytes)))
			if n := len(res.LeftOut); n > 0 {
				fmt.Fprintf(a.out, "left out: %s\n", safetext.Line(few(res.LeftOut)))
			}
			for _, note := range res.Notes {
				fmt.Fprintf(a.out, "note: %s\n", safetext.Line(note))
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&out, "output", "o", "", "the file to write")
	f.StringVar(&opt.To, "to", convert.ToOriginal, "names: original, diffusers, refiners")
	f.StringVar(&opt.Part, "part", "", "the part to write, where there are several")
	f.BoolVar(&opt.Half, "half", false, "round to half precision (fp16)")
	f.StringVar(&opt.Variant, "variant", "", "read the weights of this variant, such as fp16")
	f.StringVar(&opt.Config, "config", "", "a diffusers folder of the model that an IP-Adapter is for (default: SDXL)")
	f.BoolVar(&opt.Overwrite, "force", false, "write over a file that is there")
	return c
}

// few joins names, and counts those beyond a few.
func few(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// convertError gives the exit code of a conversion that failed: files that are wrong, or a place that cannot be written.
func convertError(err error) error {
	var wrong *weights.Error
	if errors.As(err, &wrong) {
		return err
	}
	return &exitError{exitRun, err.Error()}
}
