package cuda

import (
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/kernels"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Executor runs programs on one device.
type Executor struct {
	d       driver.Driver
	modules []driver.Module
	kernels map[string]driver.Function
	block   int64 // bytes of weights that come to the device at a time; 0 where all stay there
}

// kernelNames lists the kernels by their file.
var kernelNames = map[string][]string{
	"product":   {"product_f32", "product_bf16"},
	"winograd":  {"winograd_weights", "winograd_in", "winograd_out"},
	"attention": {"attention_f32", "attention_bf16", "attention_tops_f32", "attention_tops_bf16", "attention_sums_f32", "attention_sums_bf16", "attention_average"},
	"norm":      {"row_moments", "merge_rows", "merge_groups", "apply_map", "layer_norm"},
	"pointwise": {"activate", "geglu", "add", "affine", "guidance", "self_guidance", "solver_step", "blur_columns", "degrade"},
	"move":      {"strided", "upsample", "embed", "taps_first_2", "taps_first_4"},
	"random":    {"normals"},
	"tensor":    {"product_f16_128", "product_f16_64"},
	"flash":     {"flash_64", "flash_128"},
	"norm16":    {"chunk_moments", "group_maps", "apply_maps", "layer_norm16"},
	"half":      {"pack_rows", "widen_rows", "pack_weights", "activate16", "geglu16", "add16", "affine16"},
}

// New compiles the kernels for a device. The device stays the caller's: it is to be closed after the executor.
func New(d driver.Driver) (*Executor, error) {
	e := &Executor{d: d, kernels: make(map[string]driver.Function)}
	for _, file := range kernels.Names() {
		text, err := kernels.Text(file)
		if err != nil {
			return nil, err
		}
		m, err := d.Load(text)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("the kernels of %s: %w", file, err), e.Close())
		}
		e.modules = append(e.modules, m)
		for _, name := range kernelNames[file] {
			if e.kernels[name], err = m.Function(name); err != nil {
				return nil, errors.Join(fmt.Errorf("the kernel %s: %w", name, err), e.Close())
			}
		}
	}
	return e, nil
}

// Close gives the kernels back.
func (e *Executor) Close() error {
	var errs []error
	for _, m := range e.modules {
		errs = append(errs, m.Unload())
	}
	e.modules = nil
	return errors.Join(errs...)
}

// Name implements program.Executor.
func (e *Executor) Name() string { return "cuda" }

// Device says which device this is.
func (e *Executor) Device() driver.Info { return e.d.Info() }

// SaveMemory has programs stream their weights from the host's memory instead of keeping them on the device; results are the same.
func (e *Executor) SaveMemory() { e.block = blockBytes }

// Compile implements program.Executor. It plans and checks; the first Run allocates and uploads the weights.
func (e *Executor) Compile(p *program.Program, opt program.Options) (program.Exec, error) {
	weights, err := program.BindWeights(p, opt.Weights)
	if err != nil {
		return nil, err
	}
	block := e.block
	if opt.LowMemory && block == 0 {
		block = blockBytes
	}
	x, err := e.plan(p, weights, block)
	if err != nil {
		return nil, err
	}
	x.guard = func(f func() error) error { return f() }
	if opt.Weights != nil {
		x.guard = opt.Weights.Guard
	}
	if total := e.d.Info().TotalBytes; x.size > total {
		return nil, fmt.Errorf("%s needs %s of memory on %s, which has %s: a smaller picture needs less, and numerics.device: cpu has the memory of the machine",
			p.Name, humanize.IBytes(uint64(x.size)), e.d.Info().Name, humanize.IBytes(uint64(total)))
	}
	return x, nil
}

// Estimate gives the PeakBytes that a program will have, from its shapes alone, its weights taken as fp16.
func (e *Executor) Estimate(p *program.Program, threads int) int64 {
	return e.EstimateOf(p, threads, nil)
}

// EstimateOf is Estimate with the weights' types: what Compile will say, to the byte. A weight that types does not know is taken as fp16.
func (e *Executor) EstimateOf(p *program.Program, _ int, types program.TypeSource) int64 {
	x, err := e.plan(p, shapesOf(p, types), e.block)
	if err != nil {
		return program.PlanMemory(p).Bytes // Compile will say what is wrong
	}
	return x.size
}

// Planner is an executor without a device, which estimates what programs would take on one that is so described. It compiles nothing.
func Planner(info driver.Info) *Executor {
	e := &Executor{d: described{info: info}, kernels: make(map[string]driver.Function)}
	for _, names := range kernelNames {
		for _, name := range names {
			e.kernels[name] = nil
		}
	}
	return e
}

// described is a device of which nothing but its description is known.
type described struct {
	driver.Driver
	info driver.Info
}

// Info implements driver.Driver.
func (d described) Info() driver.Info { return d.info }
