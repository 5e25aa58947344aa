package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/cudacost"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// modelled are the precisions that can be predicted.
var modelled = map[string]program.Precision{"fp16": program.F16, "bf16": program.BF16, "fp32": program.F32}

// costModel predicts what the guide's job takes on GPUs.
func (a *app) costModel(ctx context.Context, f *benchFlags, given func(string) bool) error {
	opt, err := f.costOptions(given)
	if err != nil {
		return err
	}
	say := &benchProgress{verb: "counting ", w: a.err, width: terminalWidth(a.err)}
	opt.Progress = say.at
	report, err := cudacost.Run(ctx, opt)
	say.clear()
	if err != nil {
		return runError(ctx, err)
	}
	if f.asJSON {
		return a.json(report)
	}
	return cudacost.Table(a.out, report)
}

// costOptions checks the flags.
func (f *benchFlags) costOptions(given func(string) bool) (opt cudacost.Options, err error) {
	if f.device != "cuda" || !f.modelOnly {
		return opt, errors.New("--device cuda and --model-only go together: what a GPU takes is predicted; flow doctor --device cuda measures one")
	}
	for _, flag := range []string{"model", "batch", "repeat", "threads", "memory", "only", "compare", "digests"} {
		if given(flag) {
			return opt, fmt.Errorf("--%s does not go with --model-only, which takes --size, --steps, --precision and --json", flag)
		}
	}
	opt = cudacost.Options{Steps: 30, Precision: program.F16, Release: release()}
	if given("steps") {
		opt.Steps = f.steps
	}
	if opt.Steps < 1 || opt.Steps > 1000 {
		return opt, fmt.Errorf("--steps %d is not between 1 and 1000", opt.Steps)
	}
	if given("precision") {
		p, ok := modelled[f.precision]
		if !ok {
			return opt, fmt.Errorf("--precision %q is not one of %s", f.precision, strings.Join([]string{"fp16", "bf16", "fp32"}, ", "))
		}
		opt.Precision = p
	}
	opt.Width, opt.Height, err = sizeOf(f.size)
	return opt, err
}
