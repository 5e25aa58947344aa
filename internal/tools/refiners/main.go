// Command refiners compares flow with Refiners' whole SDXL pipeline at full size, on the files that Refiners' own conversion wrote:
//
//	python internal/tools/goldens/fullsize.py MODEL
//	REFINERS=... python internal/tools/goldens/refiners_pipeline.py MODEL DIR
//	go run ./internal/tools/refiners DIR
//
// Both compute in fp32. Bounds are those of the project: 1e-4 of the largest magnitude for embeddings and tokens, 1e-3 for
// latents after sampling. Columns of the attention map that self-attention guidance reads are compared by themselves: its mask is
// discontinuous. With -part one comparison runs alone.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// Bounds, of the largest magnitude.
const (
	evaluationBound = 1e-4
	samplingBound   = 1e-3
)

// Prompts of the goldens; internal/tools/goldens/reference.py has the same.
var prompts = [2]string{
	"monochrome, lowres, bad anatomy, worst quality, low quality",
	"a futuristic castle surrounded by a forest, mountains in the background, best quality, high quality",
}

var parts = []string{"text", "image", "sag", "sag-ip", "decode"}

func main() {
	part := flag.String("part", "", "one of "+strings.Join(parts, ", ")+"; all without it")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: refiners [-part PART] DIR, where DIR is made by internal/tools/goldens/refiners_pipeline.py")
		os.Exit(2)
	}
	ok, err := run(os.Stdout, flag.Arg(0), *part)
	if err != nil {
		fmt.Fprintln(os.Stderr, "refiners:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// comparison is what all parts share.
type comparison struct {
	ctx   context.Context
	dir   string
	model *sdxl.Model
	out   io.Writer
	ok    bool
}

func run(w io.Writer, dir, only string) (bool, error) {
	model, err := sdxl.Open(filepath.Join(dir, "refiners"), weights.Options{})
	if err != nil {
		return false, err
	}
	defer func() { _ = model.Close() }()
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	c := &comparison{context.Background(), dir, model, table, true}
	fmt.Fprintln(table, "PART\tWHAT\tDIFFERENCE\tBOUND")
	for _, part := range parts {
		if only != "" && part != only {
			continue
		}
		began := time.Now()
		if err := map[string]func() error{"text": c.text, "image": c.image, "sag": c.sag, "sag-ip": c.sagWithImage, "decode": c.decode}[part](); err != nil {
			return false, fmt.Errorf("%s: %w", part, err)
		}
		if err := table.Flush(); err != nil {
			return false, err
		}
		fmt.Fprintf(os.Stderr, "%s: %.0f s\n", part, time.Since(began).Seconds())
	}
	return c.ok, nil
}

// row prints one comparison.
func (c *comparison) row(part, what string, difference, bound float64) {
	mark := ""
	if !(difference <= bound) {
		c.ok, mark = false, "  over the bound"
	}
	fmt.Fprintf(c.out, "%s\t%s\t%.2g\t%.0e%s\n", part, what, difference, bound, mark)
}

// execute runs a program in fp32.
func (c *comparison) execute(p *program.Program, src program.WeightSource, in map[string]program.Tensor, opt program.RunOptions) (map[string]program.Tensor, error) {
	exec, err := cpu.New().Compile(p, program.Options{Weights: src})
	if err != nil {
		return nil, err
	}
	defer func() { _ = exec.Close() }()
	return exec.Run(c.ctx, in, opt)
}
