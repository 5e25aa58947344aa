package cudacost

import (
	"cmp"
	"maps"
	"slices"
)

// Version is that of the document that is written as JSON.
const Version = 1

// Report is a prediction.
type Report struct {
	Version   int            `json:"version"`
	Release   string         `json:"flow"`
	Width     int            `json:"width"`
	Height    int            `json:"height"`
	Steps     int            `json:"steps"`
	Precision string         `json:"precision"`
	Assumed   Assumptions    `json:"assumed"`
	Devices   []DeviceReport `json:"devices"`
}

// DeviceReport is that of one device.
type DeviceReport struct {
	Device    Device        `json:"device"`
	FloatPeak float64       `json:"fp32_flops"`
	Step      StageReport   `json:"unet_step"`
	Stages    []StageReport `json:"stages"`
	Job       Row           `json:"job"`
}

// StageReport is that of one program.
type StageReport struct {
	Name    string `json:"name"`
	Memory  int64  `json:"memory_bytes"` // that the program takes on the device
	Ops     []Row  `json:"ops"`          // by sort of operation, the longest first
	Kernels []Row  `json:"kernels"`      // by kernel and sort, likewise
	Total   Row    `json:"total"`

	ops, kernels map[string]*Row
}

// Row is the sum over operations of a sort, or launches of a kernel.
type Row struct {
	Name      string  `json:"name"`
	For       string  `json:"for,omitempty"` // of a kernel: the sort of operation that it is launched for
	Launches  float64 `json:"launches"`
	FLOP      float64 `json:"flop"`
	Bytes     float64 `json:"bytes"`             // operands and results, each once for each operation
	Roofline  float64 `json:"roofline_seconds"`  // of each operation the larger of FLOP/peak and bytes/bandwidth
	Predicted float64 `json:"predicted_seconds"` // with gaps
	Ratio     float64 `json:"ratio,omitempty"`   // of the two; 0 where there is no roofline
	Bound     string  `json:"bound,omitempty"`   // what most of the time is bound by

	bounds map[string]float64
}

// add adds another row n times.
func (r *Row) add(o *Row, n float64) {
	r.Launches += n * o.Launches
	r.FLOP += n * o.FLOP
	r.Bytes += n * o.Bytes
	r.Roofline += n * o.Roofline
	r.Predicted += n * o.Predicted
	if r.bounds == nil {
		r.bounds = make(map[string]float64)
	}
	for name, s := range o.bounds {
		r.bounds[name] += n * s
	}
}

// finish finds what follows from sums.
func (r *Row) finish() {
	if r.Roofline > 0 {
		r.Ratio = r.Predicted / r.Roofline
	}
	most := 0.0
	for _, name := range slices.Sorted(maps.Keys(r.bounds)) {
		if s := r.bounds[name]; s > most {
			r.Bound, most = name, s
		}
	}
}

func (s *StageReport) op(name string) *Row { return rowOf(&s.ops, name, "") }

func (s *StageReport) kernel(name, of string) *Row { return rowOf(&s.kernels, name, of) }

func rowOf(m *map[string]*Row, name, of string) *Row {
	if *m == nil {
		*m = make(map[string]*Row)
	}
	k := name + " " + of
	if (*m)[k] == nil {
		(*m)[k] = &Row{Name: name, For: of}
	}
	return (*m)[k]
}

// finish sorts rows and adds them up.
func (s *StageReport) finish() {
	s.Ops, s.Kernels = sorted(s.ops), sorted(s.kernels)
	s.Total = Row{Name: "total"}
	for i := range s.Ops {
		s.Total.add(&s.Ops[i], 1)
	}
	s.Total.host()
	s.Total.finish()
}

// host lengthens a total to what the processor takes to launch it.
func (r *Row) host() {
	if s := r.Launches * Assumed.Host; s > r.Predicted {
		r.bounds[BoundLaunch] += s - r.Predicted
		r.Predicted = s
	}
}

func sorted(m map[string]*Row) (out []Row) {
	for _, r := range m {
		r.finish()
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Predicted, a.Predicted), cmp.Compare(a.Name, b.Name), cmp.Compare(a.For, b.For))
	})
	return out
}

// total adds up the stages.
func (d *DeviceReport) total() {
	d.Job = Row{Name: "job"}
	for i := range d.Stages {
		d.Job.add(&d.Stages[i].Total, 1)
	}
	d.Job.finish()
}

// most is the ratio to the roofline that a UNet step, and a kernel, is to have at most.
const most = 2

// Misses are the kernels of the UNet step that take more than twice their roofline, and those without one that take a thousandth of the step.
func (d *DeviceReport) Misses() (out []Row) {
	for _, k := range d.Step.Kernels {
		if (k.Ratio > most || k.Roofline == 0) && k.Predicted > d.Step.Total.Predicted/1000 {
			out = append(out, k)
		}
	}
	return out
}
