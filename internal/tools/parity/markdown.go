package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/parity"
)

const head = `# How far flow lies from the reference

Printed by ` + "`go run ./internal/tools/parity > docs/parity.md`" + ` at the top of the repository; a test demands that this file is
what the command prints, whatever the processor, so no figure here is a matter of the machine. The reference is diffusers %s with transformers
%s on torch %s, in fp32 on a CPU; its outputs are goldens made by the scripts in internal/tools/goldens.

A difference is max |a - b| / max |b| over all elements of a tensor. Bounds: text states and pooled 1e-5 of the largest magnitude, one
UNet evaluation and each of its blocks 1e-4, latents after 30 steps 1e-3, the autoencoder's blocks 1e-4; decoded from the same latents, and
rendered from the workflow file, at most one level of 255 off and 99.9%% of the bytes equal ("pixels" below is the share of bytes that
differ, 1 if one is off by more than a level). Tokens and noise are equal.

Each comparison has controls: a mistake made on purpose has to exceed some bound tenfold, or the comparison would show nothing. Two models are
compared: the castle (examples/castle/model, trained) and the oddball (internal/sdxl/testdata/oddball/model, random weights, a
configuration unlike SDXL's in every field that may differ). The reference itself is not equal to itself: goldens made anew on another
processor differ from these in the last bits (see internal/tools/goldens/README.md). docs/full-size.md has the same for a model of SDXL's size.

`

// write prints the report as Markdown.
func (r *report) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, head, r.Versions["diffusers"], r.Versions["transformers"], r.Versions["torch"])
	b.WriteString("## Tokens and noise\n\n| what | compared | different |\n|---|--:|--:|\n")
	for _, c := range r.Equal {
		fmt.Fprintf(&b, "| %s | %d | %d |\n", c.What, c.Compared, c.Wrong)
	}
	r.files(&b)
	r.pictures(&b)
	for _, m := range r.Models {
		for _, c := range m.Cases {
			fmt.Fprintf(&b, "\n## %s: %s\n\n", m.Name, c.Name)
			table(&b, c.Rows)
			controls(&b, c.Controls)
		}
	}
	r.tiers(&b)
	r.loss(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *report) files(b *strings.Builder) {
	b.WriteString(`
## Image prompts from files

Pixels: every byte of RGB beside Pillow's, as the file is, on white and turned by EXIF. Encoder inputs: every bit of fp32 beside transformers' processor
(edition diffusers) and Refiners' own (edition refiners). Files that differ:

| from | pixels | encoder inputs, diffusers | encoder inputs, refiners |
|---|--:|--:|--:|
`)
	for _, f := range r.Files {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", f.Format, f.Pixels.of(), f.Inputs["diffusers"].of(), f.Inputs["refiners"].of())
	}
	fmt.Fprintf(b, "\nControl: Go's own image/jpeg differs from Pillow in %s JPEG files.\n", r.GoJPEG.of())
}

// of is "wrong of compared".
func (c count) of() string { return fmt.Sprintf("%d of %d", c.Wrong, c.Compared) }

func (r *report) pictures(b *strings.Builder) {
	b.WriteString(`
## Whole pictures

examples/castle/castle.flow.yaml through the runtime in fp32 (30 steps, guidance 5, seed 42) beside the PNG of diffusers' own pipeline.

| height x width | bytes | different | greatest difference | bound |
|---|--:|--:|--:|---|
`)
	for _, p := range r.Pictures {
		fmt.Fprintf(b, "| %s | %d | %d (%.4f%%) | %d | 1 level, 0.1%% |\n", p.Name, p.Bytes, p.Unequal, 100*float64(p.Unequal)/float64(p.Bytes), p.Levels)
	}
	fmt.Fprintf(b, "\nControl: with guidance %s instead of 5.0, %.1f%% of the bytes differ, by %d at most.\n",
		controlGuidance, 100*float64(r.Control.Unequal)/float64(r.Control.Bytes), r.Control.Levels)
}

// table prints rows; those of several prompts or timesteps stand side by side.
func table(b *strings.Builder, rows []parity.Row) {
	columns, names, cells := pivot(rows)
	if columns == nil {
		b.WriteString("| block | difference | bound |\n|---|--:|--:|\n")
		for _, row := range rows {
			fmt.Fprintf(b, "| %s | %s | %s |\n", row.Block, number(row.Difference), number(row.Bound))
		}
		return
	}
	fmt.Fprintf(b, "| block | %s | bound |\n|---|%s--:|\n", strings.Join(columns, " | "), strings.Repeat("--:|", len(columns)))
	for _, name := range names {
		fmt.Fprintf(b, "| %s |", name)
		bound := 0.0
		for _, c := range columns {
			row := cells[c+"."+name]
			bound = row.Bound
			fmt.Fprintf(b, " %s |", number(row.Difference))
		}
		fmt.Fprintf(b, " %s |\n", number(bound))
	}
}

// pivot takes "column.block" apart where all rows are of that form and every column has the same blocks; else columns is nil.
func pivot(rows []parity.Row) (columns, names []string, cells map[string]parity.Row) {
	cells = make(map[string]parity.Row)
	known := make(map[string]bool)
	for _, row := range rows {
		column, name, ok := strings.Cut(row.Block, ".")
		if !ok {
			return nil, nil, nil
		}
		if !known[column+"."] {
			known[column+"."] = true
			columns = append(columns, column)
		}
		if !known[name] {
			known[name] = true
			names = append(names, name)
		}
		cells[row.Block] = row
	}
	if len(columns) < 2 || len(names) < 2 || len(columns)*len(names) != len(rows) || len(cells) != len(rows) {
		return nil, nil, nil
	}
	for _, name := range names {
		for _, c := range columns {
			if row, ok := cells[c+"."+name]; !ok || row.Bound != cells[columns[0]+"."+name].Bound {
				return nil, nil, nil
			}
		}
	}
	return columns, names, cells
}

func number(x float64) string {
	if x == 0 {
		return "0"
	}
	return fmt.Sprintf("%.1e", x)
}

func controls(b *strings.Builder, list []mistake) {
	b.WriteString("\nControls, as multiples of a bound:")
	for i, x := range list {
		sep := ";"
		if i == len(list)-1 {
			sep = "."
		}
		fmt.Fprintf(b, " %s %.0f%s", x.What, x.Worst, sep)
	}
	b.WriteString("\n")
}

func (r *report) loss(b *strings.Builder) {
	b.WriteString(`
## What bf16 loses

The castle in bf16 against fp32, 128x128, 30 steps, over several seeds: all bytes of the picture; SSIM with the usual 11x11 window, mean of the three colours.

| seed | PSNR, dB | SSIM | mean difference, levels | greatest difference, levels |
|--:|--:|--:|--:|--:|
`)
	for _, l := range r.Loss {
		fmt.Fprintf(b, "| %d | %.1f | %.4f | %.2f | %d |\n", l.Seed, l.PSNR, l.SSIM, l.Mean, l.Levels)
	}
}
