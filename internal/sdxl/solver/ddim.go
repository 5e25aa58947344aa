// Package solver makes the tables of DDIM (Song et al., 2021) as diffusers'
// DDIMScheduler and Refiners' DDIM have them.
package solver

import (
	"fmt"
	"math"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
)

// Edition says whose conventions a table follows.
type Edition uint8

// Editions.
const (
	Diffusers Edition = iota
	Refiners          // leading spacing with offset 1, no noise term in the last step
)

// Table is what a sampling run needs of the solver.
type Table struct {
	Timesteps []int // in the order of the steps
	// Coefficients has a row a step: alpha_t, sigma_t, alpha_prev, sigma_dir (program.SolverStep).
	Coefficients [][4]float32
}

// DDIM makes the table for steps steps of the schedule s, with eta 0.
func DDIM(s *config.Scheduler, steps int, e Edition) (*Table, error) {
	if steps < 1 || steps > s.TrainSteps {
		return nil, fmt.Errorf("%d steps of a schedule that was trained with %d; ask for 1 to %d", steps, s.TrainSteps, s.TrainSteps)
	}
	sched := *s
	if e == Refiners {
		sched.Spacing, sched.StepsOffset, sched.AlphaToOne = "leading", 1, false
	}
	products := alphaProducts(&sched)
	t := &Table{Timesteps: timesteps(&sched, steps)}
	for i, step := range t.Timesteps {
		if step < 0 || step >= sched.TrainSteps {
			return nil, fmt.Errorf("step %d of %d falls on timestep %d of %d; check steps_offset and timestep_spacing", i+1, steps, step, sched.TrainSteps)
		}
		t.Coefficients = append(t.Coefficients, coefficients(&sched, products, t.Timesteps, i, e))
	}
	return t, nil
}

// coefficients is the row of step i.
func coefficients(s *config.Scheduler, products []float64, timesteps []int, i int, e Edition) [4]float32 {
	last := 1.0 // the cumulative product before the first timestep
	if !s.AlphaToOne {
		last = products[0]
	}
	here := products[timesteps[i]]
	prev := last
	switch e {
	case Refiners:
		if i+1 < len(timesteps) {
			prev = products[timesteps[i+1]]
		}
	default: // diffusers steps back by a fixed stride, whatever the next listed timestep is
		if p := timesteps[i] - s.TrainSteps/len(timesteps); p >= 0 {
			prev = products[p]
		}
	}
	row := [4]float32{float32(math.Sqrt(here)), float32(math.Sqrt(1 - here)), float32(math.Sqrt(prev)), float32(math.Sqrt(1 - prev))}
	if e == Refiners && i == len(timesteps)-1 {
		row[3] = 0
	}
	return row
}

// alphaProducts is cumprod(1 - beta), in float64.
func alphaProducts(s *config.Scheduler) []float64 {
	lo, hi := s.BetaStart, s.BetaEnd
	if s.BetaSchedule == "scaled_linear" {
		lo, hi = math.Sqrt(lo), math.Sqrt(hi)
	}
	out := make([]float64, s.TrainSteps)
	product := 1.0
	for i := range out {
		beta := lo
		if s.TrainSteps > 1 {
			beta = lo + float64(float64(hi-lo)*(float64(i)/float64(s.TrainSteps-1)))
		}
		if s.BetaSchedule == "scaled_linear" {
			beta = float64(beta * beta)
		}
		product = float64(product * (1 - beta))
		out[i] = product
	}
	return out
}

// timesteps lists the timesteps from noisy to clean (Lin et al., 2023, table 2).
func timesteps(s *config.Scheduler, steps int) []int {
	out := make([]int, steps)
	n := float64(s.TrainSteps)
	for i := range out {
		k := float64(steps - 1 - i)
		switch s.Spacing {
		case "trailing":
			out[i] = int(math.RoundToEven(n-float64(float64(i)*(n/float64(steps))))) - 1
		case "linspace":
			if steps == 1 {
				out[i] = 0
			} else {
				out[i] = int(math.RoundToEven(float64(k * ((n - 1) / float64(steps-1)))))
			}
		default:
			out[i] = int(k)*(s.TrainSteps/steps) + s.StepsOffset
		}
	}
	return out
}
