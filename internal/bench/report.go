package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Version is that of the JSON document. Readers refuse another one.
const Version = 1

// Quiet is the least share of its processors that a process must have for a measurement.
const Quiet = 0.95

// Groups of rows.
const (
	Limits = "limits" // what the machine can do
	Ops    = "ops"    // one operation
	Jobs   = "jobs"   // a part of a model
	Parts  = "parts"  // what the time of a job went into, by sort of operation
)

// Groups lists the groups in the order in which they are measured.
var Groups = []string{Limits, Ops, Jobs, Parts}

// Units of work.
const (
	FLOP  = "FLOP"
	Bytes = "byte"
)

// Report is what one run measured.
type Report struct {
	Version  int      `json:"version"`
	Machine  Machine  `json:"machine"`
	Settings Settings `json:"settings"`
	Rows     []Row    `json:"rows"`
	// Processor is the share of its processors that the process had when it looked, before each group and at the end: below
	// [Quiet], other work ran beside it. 0 where it cannot be told.
	Processor float64 `json:"processor_share,omitempty"`
	// Comparison is with an earlier report; absent where there is none.
	Comparison []Change `json:"comparison,omitempty"`
}

// Machine is where a report was made.
type Machine struct {
	CPU    string   `json:"cpu"` // as the system names it
	Cores  int      `json:"cores"`
	Memory int64    `json:"memory_bytes"` // that the process may use; 0 where it cannot be told
	Tiers  []string `json:"tiers"`        // of kernels, the best last
	Tier   string   `json:"tier"`         // in use
	OS     string   `json:"os"`
	Arch   string   `json:"arch"`
	Flow   string   `json:"flow"` // release
	Go     string   `json:"go"`
}

// Settings are those of a run.
type Settings struct {
	Model     string `json:"model,omitempty"` // "sdxl" means weights made up on the fly
	Width     int    `json:"width,omitempty"` // pixels
	Height    int    `json:"height,omitempty"`
	Batch     int    `json:"batch,omitempty"` // of the UNet
	Steps     int    `json:"steps,omitempty"`
	Precision string `json:"precision"`
	Threads   int    `json:"threads"`
	Repeat    int    `json:"repeat"`
}

// Row is one thing that was measured.
type Row struct {
	Group   string    `json:"group"`
	Name    string    `json:"name"`
	Unit    string    `json:"unit"`    // of work
	Work    float64   `json:"work"`    // of one run, in units
	Seconds []float64 `json:"seconds"` // of each run
	Rate    Spread    `json:"rate"`    // work a second
	// Limit names the row that the rate is a share of; Share is the median's. Absent where there is none.
	Limit string  `json:"limit,omitempty"`
	Share float64 `json:"share,omitempty"`
	// PeakRSS is the most memory that the process had resident, mapped weights included; 0 where it cannot be told.
	PeakRSS int64 `json:"peak_rss_bytes,omitempty"`
	// Note says what a reader must know.
	Note string `json:"note,omitempty"`
}

// Spread is a median with the least and the greatest of some samples.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spreadOf gives the spread of samples, of which there is at least one.
func spreadOf(samples []float64) Spread {
	s := slices.Sorted(slices.Values(samples))
	return Spread{Median: (s[(len(s)-1)/2] + s[len(s)/2]) / 2, Min: s[0], Max: s[len(s)-1]}
}

// Took is the spread of a row's seconds.
func (r *Row) Took() Spread { return spreadOf(r.Seconds) }

// add ends a row: its rate, and its share of a limit that has been measured.
func (r *Report) add(row Row) {
	took := row.Took()
	row.Rate = Spread{Median: row.Work / took.Median, Min: row.Work / took.Max, Max: row.Work / took.Min}
	if limit := r.Find(Limits, row.Limit); limit != nil {
		row.Share = row.Rate.Median / limit.Rate.Median
	} else {
		row.Limit = ""
	}
	r.Rows = append(r.Rows, row)
}

// Find gives a row; nil where there is none.
func (r *Report) Find(group, name string) *Row {
	for i := range r.Rows {
		if r.Rows[i].Group == group && r.Rows[i].Name == name {
			return &r.Rows[i]
		}
	}
	return nil
}

// Read reads a report that was written as JSON.
func Read(in io.Reader) (*Report, error) {
	var r Report
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return nil, fmt.Errorf("not a report of flow bench --json: %w", err)
	}
	if r.Version != Version {
		return nil, fmt.Errorf("a report of version %d; this release reads version %d", r.Version, Version)
	}
	for _, row := range r.Rows {
		if len(row.Seconds) == 0 || slices.ContainsFunc(row.Seconds, func(s float64) bool { return !(s > 0) }) {
			return nil, fmt.Errorf("the row %q has times that are no times: %v", row.Name, row.Seconds)
		}
	}
	return &r, nil
}
