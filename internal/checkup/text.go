package checkup

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Write writes a report as text.
func Write(out io.Writer, r *Report) error {
	var b strings.Builder
	i := &r.Device
	fmt.Fprintf(&b, "device     %s, compute capability %d.%d, driver for CUDA %d.%d\n", i.Name, i.Major, i.Minor, i.Driver/1000, i.Driver%1000/10)
	if i.Simulated {
		b.WriteString("           simulated: bits count, times are the simulator's\n")
	}
	fmt.Fprintf(&b, "memory     %s, %s free\n", humanize.IBytes(uint64(max(i.TotalBytes, 0))), humanize.IBytes(uint64(max(r.Free, 0))))
	for _, a := range r.Attributes {
		fmt.Fprintf(&b, "           %d %s\n", a.Value, a.Name)
	}
	r.kernelTable(&b)
	r.suiteTable(&b)
	r.speedTable(&b)
	_, err := io.WriteString(out, b.String())
	return err
}

func (r *Report) kernelTable(b *strings.Builder) {
	b.WriteString("\nkernels\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "registers\tshared\tlocal\tthreads\t  kernel\n")
	for _, k := range r.Kernels {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t  %s\n", k.Registers, k.Shared, k.Local, k.Most, k.Name)
	}
	_ = t.Flush()
}

func (r *Report) suiteTable(b *strings.Builder) {
	b.WriteString("\nsuite: the device's digests, held against the processor's; in fp16 its results against the processor's in fp32\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, p := range r.Suite {
		said := fmt.Sprintf("all %d equal", p.Cases)
		if p.Precision == program.F16 {
			said = fmt.Sprintf("all %d within bounds, by %.1e at most", p.Cases, p.Worst)
		}
		if len(p.Wrong) > 0 && p.Processor == "" {
			said = fmt.Sprintf("WRONG: %d of %d, by %.1e at most", len(p.Wrong), p.Cases, p.Worst)
		} else if len(p.Wrong) > 0 {
			said = fmt.Sprintf("WRONG: %d of %d; the processor has %s", len(p.Wrong), p.Cases, p.Processor)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.Group, p.Precision, p.Device, said)
	}
	_ = t.Flush()
	for _, p := range r.Suite {
		for _, w := range p.Wrong {
			fmt.Fprintf(b, "  %s: %s\n", p.Precision, w)
		}
	}
}

func (r *Report) speedTable(b *strings.Builder) {
	b.WriteString("\nspeeds, by events around the kernels, the median; in fp16 those of the tensor cores' kernels alone\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, s := range r.Speeds {
		rate := fmt.Sprintf("%.3g GFLOP/s", s.FLOP/1e9/seconds(s.Took))
		if s.Precision == program.F16 {
			rate = fmt.Sprintf("%.3g TFLOP/s", s.FLOP/1e12/seconds(s.tensorCores()))
		}
		if s.Bytes > 0 {
			rate = fmt.Sprintf("%.3g GB/s", float64(s.Bytes)/1e9/seconds(s.Took))
		}
		var parts []string
		for _, k := range s.Kernels {
			parts = append(parts, fmt.Sprintf("%s %v", k.Kernel, k.Took.Round(time.Microsecond/10)))
		}
		fmt.Fprintf(t, "%s\t%v\t%s\t%s\n", s.Name, s.Took.Round(time.Microsecond/10), rate, strings.Join(parts, ", "))
	}
	_ = t.Flush()
}

func seconds(d time.Duration) float64 { return max(d, time.Nanosecond).Seconds() }
