package main

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/seed-8af8f8e1/flow/internal/digests"
	"github.com/seed-8af8f8e1/flow/internal/golden"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// leastSimilar is the structural similarity that the castle in class fp16 has to have to the processor's in fp32.
const leastSimilar = 0.99

// halfCastle is the castle in class fp16, by the device alone, beside the processor's in fp32.
type halfCastle struct {
	row  digests.Row
	ssim float64
}

// similar says whether the picture is as similar as it has to be. NaN is not.
func (h *halfCastle) similar() bool { return h.ssim >= leastSimilar }

// renderHalf renders the castle in class fp16 as opt says of others, by the first of its makers. like is the processor's.
func renderHalf(ctx context.Context, opt digests.Options, like *nodes.Image) (*halfCastle, error) {
	h := &halfCastle{ssim: math.NaN()}
	opt.Precisions, opt.Makers = []string{program.F16.String()}, opt.Makers[:1]
	opt.Picture = func(_, _ string, m *nodes.Image) { h.ssim = golden.SSIM(like, m) }
	doc, err := digests.Run(ctx, opt)
	if err != nil {
		return nil, err
	}
	h.row = doc.Rows[0]
	return h, nil
}

// write says in a line what the castle came to.
func (h *halfCastle) write(w io.Writer) {
	for by, d := range h.row.Made {
		fmt.Fprintf(w, "\nthe castle in the quick class, by the %s\n\n%s  %s  latents %.12s, pixels %.12s, SSIM to the processor's in fp32 %.4f (at least %.2f)\n",
			by, h.row.Workflow, h.row.What(), d.Latents, d.Pixels, h.ssim, leastSimilar)
	}
}
