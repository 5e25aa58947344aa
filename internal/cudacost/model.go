package cudacost

import (
	"context"
	"fmt"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/internal/bench"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Options say what to predict.
type Options struct {
	Width, Height, Steps int
	Precision            program.Precision
	Release              string
	// Progress is told what is at work: done of total parts of it. It may be nil.
	Progress func(row string, done, total int)
}

// StepName is the name of the stage that is one step of sampling without adapters.
const StepName = "UNet step, 2 prompts"

// Run predicts the guide's job on all devices.
func Run(ctx context.Context, opt Options) (*Report, error) {
	m, err := bench.MadeUp()
	if err != nil {
		return nil, err
	}
	if s := m.VAE.Scale(); opt.Width%s != 0 || opt.Height%s != 0 {
		return nil, fmt.Errorf("a picture of %dx%d pixels: this model needs multiples of %d", opt.Width, opt.Height, s)
	}
	if opt.Progress == nil {
		opt.Progress = func(string, int, int) {}
	}
	guide := bench.Guide{Width: opt.Width, Height: opt.Height, Steps: opt.Steps, Precision: opt.Precision}
	step := bench.Stage{Name: StepName, Program: m.GuideStep(guide)}
	stages := m.GuideStages(guide)
	r := &Report{Version: Version, Release: opt.Release, Width: opt.Width, Height: opt.Height, Steps: opt.Steps, Precision: opt.Precision.String(), Assumed: Assumed}
	counter := newCounter()
	for _, d := range Devices() {
		one := DeviceReport{Device: d, FloatPeak: d.FloatPeak()}
		w := &worker{ctx: ctx, device: &d, counter: counter, progress: opt.Progress}
		plain, err := w.stage(step, true)
		if err != nil {
			return nil, err
		}
		one.Step = *plain
		for _, s := range stages {
			out, err := w.stage(s, false)
			if err != nil {
				return nil, err
			}
			one.Stages = append(one.Stages, *out)
		}
		one.total()
		r.Devices = append(r.Devices, one)
	}
	return r, nil
}

// worker predicts for one device.
type worker struct {
	ctx      context.Context
	device   *Device
	counter  *counter
	progress func(row string, done, total int)
}

// called is what one instruction makes the device do.
type called struct {
	launches []launch
	keys     []string
	moved    []int64
	waits    int
}

// stage predicts a program; with step one step of its loop alone.
func (w *worker) stage(s bench.Stage, step bool) (*StageReport, error) {
	rec := newRecorder(w.device)
	e, err := cuda.New(rec)
	if err != nil {
		return nil, err
	}
	p := s.Program
	r, err := e.Rehearse(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	defer func() { _ = r.Close() }() // addresses alone
	calls := make([]called, len(p.Instrs))
	var launches []launch
	var keys []string
	for i := range p.Instrs {
		rec.take()
		if step && p.Instrs[i].Stage != program.Each {
			continue
		}
		if err := r.Instr(i); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Instrs[i].Scope, err)
		}
		c := &calls[i]
		c.launches, c.moved, c.waits = rec.take()
		for k := range c.launches {
			c.keys = append(c.keys, key(&c.launches[k], r, rec.region))
		}
		launches, keys = append(launches, c.launches...), append(keys, c.keys...)
	}
	say := func(done, total int) { w.progress(s.Name, done, total) }
	if err := w.counter.all(w.ctx, rec.mem, launches, keys, say); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	_, _, size := r.Memory()
	out := &StageReport{Name: s.Name, Memory: size}
	for i := range p.Instrs {
		in := &p.Instrs[i]
		times := 1
		if in.Stage == program.Each && !step {
			times = p.Steps
		}
		if step && in.Stage != program.Each {
			continue
		}
		w.instr(out, p, in, r, &calls[i], times)
	}
	if p.Steps > 0 {
		times := p.Steps
		if step {
			times = 1
		}
		if err := r.Carry(); err != nil {
			return nil, err
		}
		_, moved, _ := rec.take()
		w.copies(out.op("between steps"), &called{moved: moved, waits: 1}, times)
	}
	out.finish()
	return out, nil
}
