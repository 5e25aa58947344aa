package checkup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/internal/bench"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Speed is an operation, measured by events around its launches.
type Speed struct {
	Name      string
	Precision program.Precision
	Took      time.Duration // the median of all times
	FLOP      float64       // of one time; 0 where memory is the limit
	Bytes     int64         // read and written at least; 0 where arithmetic is the limit
	Kernels   []KernelTime  // of the time that was the median
}

// KernelTime is the time that a kernel took in an operation, all its launches together.
type KernelTime struct {
	Kernel string
	Took   time.Duration
}

// tensorCores is the time of the kernels that use tensor cores, without what brings operands to fp16.
func (s *Speed) tensorCores() (d time.Duration) {
	for _, k := range s.Kernels {
		if strings.HasPrefix(k.Kernel, "product_f16") || strings.HasPrefix(k.Kernel, "flash_") {
			d += k.Took
		}
	}
	return d
}

// speeds measures the operations of flow bench, those of class fp16 on tensor cores.
func speeds(ctx context.Context, e *cuda.Executor, w *watch, opt *Options) (list []Speed, err error) {
	for _, prec := range all {
		operations := bench.Operations(prec, opt.Small)
		for i, op := range operations {
			if prec != program.F32 && op.Bytes > 0 {
				continue // moves fp32 whatever the precision
			}
			opt.Progress(op.Name, i, len(operations))
			s, err := speed(ctx, e, w, op, opt.Repeat)
			if err != nil {
				return list, fmt.Errorf("%s: %w", op.Name, err)
			}
			s.Precision = prec
			list = append(list, s)
		}
	}
	return list, nil
}

// speed measures one operation.
func speed(ctx context.Context, e *cuda.Executor, w *watch, op bench.Operation, repeat int) (s Speed, err error) {
	s = Speed{Name: op.Name, Bytes: op.Bytes}
	if op.Bytes == 0 {
		s.FLOP = 2 * float64(program.MACs(op.Program))
	}
	x, err := e.Compile(op.Program, program.Options{Weights: bench.NewSynthetic(op.Program)})
	if err != nil {
		return s, err
	}
	defer func() {
		if failed := x.Close(); err == nil {
			err = failed
		}
	}()
	in := bench.Inputs(op.Program)
	run := func() error {
		_, err := x.Run(ctx, in, program.RunOptions{})
		return err
	}
	if err := run(); err != nil { // uploads the weights
		return s, err
	}
	type sample struct {
		total   time.Duration
		kernels map[string]time.Duration
	}
	var samples []sample
	for range repeat {
		took, err := w.timed(run)
		if err != nil {
			return s, err
		}
		one := sample{kernels: took}
		for _, d := range took {
			one.total += d
		}
		samples = append(samples, one)
	}
	slices.SortFunc(samples, func(a, b sample) int { return int(a.total - b.total) })
	middle := samples[len(samples)/2]
	s.Took = middle.total
	for _, name := range slices.Sorted(maps.Keys(middle.kernels)) {
		s.Kernels = append(s.Kernels, KernelTime{name, middle.kernels[name]})
	}
	return s, nil
}
