package cudacost

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table writes a report as text.
func Table(w io.Writer, r *Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "the guide's job on SDXL, %dx%d, %d steps, %s: predicted, not measured (docs/cuda-model.md)\n", r.Width, r.Height, r.Steps, r.Precision)
	for i := range r.Devices {
		device(&b, &r.Devices[i])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// device writes what is predicted for one.
func device(b *strings.Builder, d *DeviceReport) {
	fmt.Fprintf(b, "\n%s: %.1f TFLOP/s fp16 with fp32 sums, %.1f fp32, %.0f GB/s\n\n", d.Device.Name, d.Device.Tensor/1e12, d.FloatPeak/1e12, d.Device.Bandwidth/1e9)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	head(t, "the whole job")
	for i := range d.Stages {
		s := &d.Stages[i]
		s.Total.line(t, fmt.Sprintf("%s (%.1f GB)", s.Name, float64(s.Memory)/1e9))
	}
	d.Job.line(t, "job")
	head(t, "\n"+StepName)
	for i := range d.Step.Ops {
		d.Step.Ops[i].line(t, d.Step.Ops[i].Name)
	}
	d.Step.Total.line(t, "step")
	_ = t.Flush() // a strings.Builder takes everything
	misses := d.Misses()
	if len(misses) == 0 {
		fmt.Fprintf(b, "\nNo kernel of the step takes more than %d times its roofline.\n", most)
		return
	}
	fmt.Fprintf(b, "\nkernels of the step above %d times their roofline:\n", most)
	for _, k := range misses {
		times := fmt.Sprintf("%.1f times", k.Ratio)
		if k.Roofline == 0 {
			times = "a pass that has no roofline of its own"
		}
		fmt.Fprintf(b, "  %s for %s: %s, %.1f%% of the step, bound by %s\n", k.Name, k.For, times, 100*k.Predicted/d.Step.Total.Predicted, k.Bound)
	}
}

func head(w io.Writer, name string) {
	fmt.Fprintf(w, "%s\tlaunches\tTFLOP\tGB\troofline ms\tpredicted ms\tratio\tbound by\n", name)
}

func (r *Row) line(w io.Writer, name string) {
	ratio := ""
	if r.Ratio > 0 {
		ratio = fmt.Sprintf("%.2f", r.Ratio)
	}
	fmt.Fprintf(w, "%s\t%.0f\t%.3f\t%.2f\t%.2f\t%.2f\t%s\t%s\n", name, r.Launches, r.FLOP/1e12, r.Bytes/1e9, 1e3*r.Roofline, 1e3*r.Predicted, ratio, r.Bound)
}
