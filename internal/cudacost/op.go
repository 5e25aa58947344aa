package cudacost

import (
	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/internal/bench"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// traffic is the bytes of an instruction's operands and results, each once, in the form in which the device stores them.
func traffic(p *program.Program, in *program.Instr, r *cuda.Rehearsal) (read, written float64) {
	seen := make(map[program.ID]bool)
	for _, id := range in.Out {
		written += float64(r.Bytes(id))
	}
	switch in.Op.(type) {
	case *program.Slice, *program.Row, *program.StepRow, *program.Embed, *program.Repeat: // of their operands they read what they write, or less
		return written, written
	}
	for _, id := range in.In {
		if id != program.None && !seen[id] {
			seen[id] = true
			read += float64(r.Bytes(id))
		}
	}
	return read, written
}

// peak is the arithmetic that an instruction's roofline takes: that of tensor cores for class fp16, that of fp32 units for the other classes, whose
// sums are chains of fma by definition.
func (d *Device) peak(in *program.Instr) float64 {
	prec := program.F32
	switch op := in.Op.(type) {
	case *program.Product:
		prec = op.Prec
	case *program.Attention:
		prec = op.Prec
	case *program.AttentionColumns:
		prec = op.Prec
	}
	if prec == program.F16 {
		return d.Tensor
	}
	return d.FloatPeak()
}

// instr adds an instruction that runs so many times.
func (w *worker) instr(out *StageReport, p *program.Program, in *program.Instr, r *cuda.Rehearsal, c *called, times int) {
	d := w.device
	flop := 2 * float64(program.InstrMultiplications(p, in))
	read, written := traffic(p, in, r)
	if len(c.launches) == 0 && len(c.moved) == 0 { // its result lies where its operand does, or the host makes it
		if c.waits > 0 {
			w.copies(out.op(bench.Sort(p, in)), c, times)
		}
		return
	}
	row := Row{FLOP: flop, Bytes: read + written, Roofline: max(flop/d.peak(in), (read+written)/d.Bandwidth)}
	main, longest := -1, 0.0
	cells := make([]Row, len(c.launches))
	for i := range c.launches {
		counters := w.counter.known[c.keys[i]]
		loads, stores := sectors(counters)
		seconds, bound := d.predict(&c.launches[i], counters, min(loads, read)+stores)
		cells[i] = Row{Launches: 1, Predicted: seconds + Assumed.Gap, bounds: map[string]float64{bound: seconds, BoundLaunch: Assumed.Gap}}
		if seconds > longest {
			main, longest = i, seconds
		}
		row.add(&cells[i], 1)
	}
	name := bench.Sort(p, in)
	out.op(name).add(&row, float64(times))
	for i := range cells { // an operation's roofline is that of the kernel that takes longest
		if i == main {
			cells[i].FLOP, cells[i].Bytes, cells[i].Roofline = row.FLOP, row.Bytes, row.Roofline
		}
		out.kernel(c.launches[i].kernel.Name, name).add(&cells[i], float64(times))
	}
	w.copies(out.op(name), c, times)
}

// copies adds copies on the device to a row, and the times that the host waits.
func (w *worker) copies(to *Row, c *called, times int) {
	for _, n := range c.moved {
		s := 2 * float64(n) / (w.device.Bandwidth * Assumed.Reach)
		to.add(&Row{Launches: 1, Predicted: s + Assumed.Gap, bounds: map[string]float64{BoundMemory: s, BoundLaunch: Assumed.Gap}}, float64(times))
	}
	if c.waits > 0 {
		s := float64(c.waits) * Assumed.Wait
		to.add(&Row{Predicted: s, bounds: map[string]float64{BoundLaunch: s}}, float64(times))
	}
}
