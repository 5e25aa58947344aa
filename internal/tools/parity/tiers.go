package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/parity"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// tierParts are the cases of the castle that are measured on every tier.
var tierParts = []string{"text", "step", "sampling", "autoencoder"}

// tierRow is what one tier gives in one precision: the largest difference from the reference in each of tierParts.
type tierRow struct {
	Tier      string
	Precision program.Precision
	Worst     []float64
}

// allTiers are the inner loops that there are, with what they need.
var allTiers = [][2]string{{"go", "any processor"}, {"avx2", "AVX2, FMA, F16C"}, {"avx512", "AVX-512 F, BW, DQ, VL"}, {"avx512bf16", "the same and AVX512_BF16"}, {"neon", "arm64"}}

// onTiers measures the castle on each tier of this machine but plain Go, which takes minutes; on plain Go where there is no other.
func onTiers(ctx context.Context, root string) ([]tierRow, error) {
	m, err := sdxl.Open(filepath.Join(root, folders[0].path), weights.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }()
	tiers := kernel.Tiers()
	if len(tiers) > 1 {
		tiers = slices.DeleteFunc(tiers, func(t kernel.Tier) bool { return t.Name == kernel.Plain.Name })
	}
	var out []tierRow
	for _, prec := range []program.Precision{program.F32, program.BF16} {
		for _, tier := range tiers {
			s := &parity.Suite{Model: m, Goldens: filepath.Join(root, testdata, folders[0].name), Executor: cpu.WithTier(tier), Precision: prec}
			row := tierRow{Tier: tier.Name, Precision: prec}
			for _, c := range parity.Cases(folders[0].name) {
				if !slices.Contains(tierParts, c.Name) {
					continue
				}
				rows, err := c.Run(ctx, s)
				if err != nil {
					return nil, fmt.Errorf("%s on %s: %w", c.Name, tier.Name, err)
				}
				row.Worst = append(row.Worst, largest(rows))
			}
			out = append(out, row)
		}
	}
	return out, nil
}

// largest is the greatest difference of tensors; the row of pixels is a share of bytes.
func largest(rows []parity.Row) float64 {
	worst := 0.0
	for _, r := range rows {
		if r.Block != "pixels" {
			worst = max(worst, r.Difference)
		}
	}
	return worst
}

// tiersFailed names the tiers whose figures are not those of the first with the same precision.
func (r *report) tiersFailed() (errs []error) {
	for _, row := range r.Tiers {
		if first := r.tier(row.Precision); !slices.Equal(row.Worst, first.Worst) || len(row.Worst) != len(tierParts) {
			errs = append(errs, fmt.Errorf("tier %s in %s differs from the reference by %v, tier %s by %v", row.Tier, row.Precision, row.Worst, first.Tier, first.Worst))
		}
	}
	return errs
}

// tier is the first row of a precision.
func (r *report) tier(p program.Precision) tierRow {
	i := slices.IndexFunc(r.Tiers, func(t tierRow) bool { return t.Precision == p })
	return r.Tiers[i]
}

// tiers prints a row for each tier and precision. All tiers of a precision have one row's figures: those that this machine lacks too.
func (r *report) tiers(b *strings.Builder) {
	if len(r.Tiers) == 0 {
		return
	}
	fmt.Fprintf(b, `
## Every tier and precision

The castle's largest differences from the reference, in fp32, by part. All tiers of a class give the same bits, so a class has the same figures
in each row: this command measures the tiers of the machine that it runs on, but plain Go, and fails where they are not equal. Plain Go, and tiers that the machine
lacks, are held to the same bits by internal/cpu/testdata/digests.txt, which has the digests of every operation and of the castle's stages: .ci/run tiers and
arm64 run that test on each.

| class | tier | needs | %s |
|---|---|---|%s
`, strings.Join(tierParts, " | "), strings.Repeat("--:|", len(tierParts)))
	for _, p := range []program.Precision{program.F32, program.BF16} {
		for _, t := range allTiers {
			fmt.Fprintf(b, "| %s@1 | %s | %s |", p, t[0], t[1])
			for _, d := range r.tier(p).Worst {
				fmt.Fprintf(b, " %s |", number(d))
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\nThe autoencoder is in fp32 in both classes.\n")
}
