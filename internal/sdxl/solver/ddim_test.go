package solver

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
)

// golden is what diffusers' DDIMScheduler gives, see internal/tools/goldens/scheduler.py.
type golden struct {
	Tables map[string]struct {
		Schedule   string  `json:"beta_schedule"`
		Start      float64 `json:"beta_start"`
		End        float64 `json:"beta_end"`
		TrainSteps int     `json:"num_train_timesteps"`
		Products   string  `json:"alphas_cumprod"`
	} `json:"tables"`
	Cases []struct {
		Table      string `json:"table"`
		Spacing    string `json:"timestep_spacing"`
		Offset     int    `json:"steps_offset"`
		AlphaToOne bool   `json:"set_alpha_to_one"`
		Steps      int    `json:"steps"`
		Timesteps  string `json:"timesteps"`
		At         string `json:"at"` // indices of the steps whose products are given
		Here       string `json:"alphas_cumprod"`
		Previous   string `json:"alphas_cumprod_previous"`
		Error      string `json:"error"`
	} `json:"cases"`
	X, Output string
	Steps     []struct {
		Case       int    `json:"case"`
		Prediction string `json:"prediction_type"`
		Index      int    `json:"index"`
		Result     string `json:"result"`
	} `json:"steps"`
}

func load(t *testing.T) *golden {
	t.Helper()
	data, err := os.ReadFile("../testdata/scheduler/ddim.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return &g
}

func floats(t *testing.T, s string) []float64 {
	t.Helper()
	var out []float64
	for _, f := range strings.Fields(s) {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func (g *golden) schedule(i int) *config.Scheduler {
	c := g.Cases[i]
	b := g.Tables[c.Table]
	return &config.Scheduler{TrainSteps: b.TrainSteps, BetaStart: b.Start, BetaEnd: b.End, BetaSchedule: b.Schedule,
		StepsOffset: c.Offset, Spacing: c.Spacing, AlphaToOne: c.AlphaToOne}
}

func near(a, b, relative float64) bool { return math.Abs(a-b) <= relative*math.Abs(b) }

func TestDDIMAgainstDiffusers(t *testing.T) {
	g := load(t)
	for i, c := range g.Cases {
		table, err := DDIM(g.schedule(i), c.Steps, edition.Diffusers)
		if err != nil {
			// diffusers makes such timesteps, and fails where it looks them up
			last := int(floats(t, c.Timesteps)[0])
			if last < g.Tables[c.Table].TrainSteps {
				t.Errorf("case %d: %v", i, err)
			}
			continue
		}
		want := floats(t, c.Timesteps)
		if len(want) != len(table.Timesteps) {
			t.Errorf("case %d: %d timesteps, want %d", i, len(table.Timesteps), len(want))
			continue
		}
		for k, w := range want {
			if int(w) != table.Timesteps[k] {
				t.Errorf("case %d (%s, %d steps): timestep %d is %d, want %v", i, c.Spacing, c.Steps, k, table.Timesteps[k], w)
				break
			}
		}
		here, previous := floats(t, c.Here), floats(t, c.Previous)
		for k, at := range floats(t, c.At) {
			row := table.Coefficients[int(at)]
			for j, want := range []float64{math.Sqrt(here[k]), math.Sqrt(1 - here[k]), math.Sqrt(previous[k]), math.Sqrt(1 - previous[k])} {
				// diffusers' cumulative products are fp32: 1-product loses digits at the first timesteps
				if d := math.Abs(float64(row[j]) - want); d > 2e-6+2e-4*want*float64(j%2) {
					t.Errorf("case %d, step %v: coefficient %d is %v, want %v", i, at, j, row[j], want)
				}
			}
		}
	}
}

func TestStepAgainstDiffusers(t *testing.T) {
	g := load(t)
	predictions := map[string]program.Prediction{"epsilon": program.PredictEpsilon, "v_prediction": program.PredictV, "sample": program.PredictSample}
	x, out := floats(t, g.X), floats(t, g.Output)
	for _, s := range g.Steps {
		table, err := DDIM(g.schedule(s.Case), g.Cases[s.Case].Steps, edition.Diffusers)
		if err != nil {
			continue
		}
		c := table.Coefficients[s.Index]
		for i, want := range floats(t, s.Result) {
			got := step(predictions[s.Prediction], x[i], out[i], c)
			if math.Abs(got-want) > 2e-4*math.Max(1, math.Abs(want)) {
				t.Errorf("case %d, %s, step %d: element %d is %v, want %v", s.Case, s.Prediction, s.Index, i, got, want)
			}
		}
	}
}

// step is program.SolverStep in float64.
func step(p program.Prediction, x, m float64, c [4]float32) float64 {
	alpha, sigma, prev, dir := float64(c[0]), float64(c[1]), float64(c[2]), float64(c[3])
	switch p {
	case program.PredictV:
		return prev*(alpha*x-sigma*m) + dir*(alpha*m+sigma*x)
	case program.PredictSample:
		return prev*m + dir*(x-alpha*m)/sigma
	}
	return prev*(x-sigma*m)/alpha + dir*m
}

// Values of Refiners' own DDIM, from its timesteps and tables.
func TestRefinersEdition(t *testing.T) {
	s := &config.Scheduler{TrainSteps: 1000, BetaStart: 8.5e-4, BetaEnd: 1.2e-2, BetaSchedule: "scaled_linear", Spacing: "trailing", AlphaToOne: true}
	table, err := DDIM(s, 50, edition.Refiners)
	if err != nil {
		t.Fatal(err)
	}
	if table.Timesteps[0] != 981 || table.Timesteps[49] != 1 || len(table.Timesteps) != 50 {
		t.Errorf("timesteps %v", table.Timesteps)
	}
	first, last := table.Coefficients[0], table.Coefficients[49]
	if !near(float64(first[0]), .0759967, 1e-5) || !near(float64(first[1]), .9971081, 1e-6) {
		t.Errorf("first step %v", first)
	}
	if !near(float64(last[0]), .9991477, 1e-6) || !near(float64(last[1]), .0412792, 1e-4) || !near(float64(last[2]), .9995749, 1e-6) || last[3] != 0 {
		t.Errorf("last step %v", last)
	}
}

func TestStepsOutOfRange(t *testing.T) {
	s := &config.Scheduler{TrainSteps: 1000, BetaStart: 8.5e-4, BetaEnd: 1.2e-2, BetaSchedule: "scaled_linear", Spacing: "leading", StepsOffset: 1}
	for _, n := range []int{0, -1, 1001} {
		if _, err := DDIM(s, n, edition.Diffusers); err == nil {
			t.Errorf("%d steps are accepted", n)
		}
	}
	if _, err := DDIM(s, 1000, edition.Diffusers); err == nil {
		t.Error("1000 steps with an offset of 1 fall on timestep 1000 of 0..999")
	}
}
