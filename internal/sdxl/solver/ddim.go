// Package solver makes the tables of DDIM (Song et al., 2021) as diffusers'
// DDIMScheduler and Refiners' DDIM have them.
package solver

import (
	"fmt"
	"math"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
)

// Table is what a sampling run needs of the solver.
type Table struct {
	Timesteps []int // in the order of the steps
	// Coefficients has a row a step: alpha_t, sigma_t, alpha_prev, sigma_dir (program.SolverStep).
	Coefficients [][4]float32
}

// DDIM makes the table for steps steps of the schedule s by an edition's conventions, with eta 0.
func DDIM(s *config.Scheduler, steps int, e edition.Edition) (*Table, error) {
	if steps < 1 || steps > s.TrainSteps {
		return nil, fmt.Errorf("%d steps of a schedule that was trained with %d; ask for 1 to %d", steps, s.TrainSteps, s.TrainSteps)
	}
	sched := Schedule(s, e)
	products := alphaProducts(&sched)
	t := &Table{Timesteps: timesteps(&sched, steps)}
	for i, step := range t.Timesteps {
		if step < 0 || step >= sched.TrainSteps {
			return nil, fmt.Errorf("step %d of %d falls on timestep %d of %d; ask for fewer steps, or check steps_offset and timestep_spacing", i+1, steps, step, sched.TrainSteps)
		}
		t.Coefficients = append(t.Coefficients, coefficients(&sched, products, step, step-sched.TrainSteps/steps))
	}
	if !e.FinalNoise {
		t.Coefficients[steps-1][3] = 0
	}
	return t, nil
}

// Schedule is what an edition makes of a model's schedule: all that decides the table. What it does not read has one value.
func Schedule(s *config.Scheduler, e edition.Edition) config.Scheduler {
	sched := *s
	if !e.ModelTimesteps {
		sched.Spacing, sched.StepsOffset = "leading", 1
	}
	if !e.ModelFinalAlpha {
		sched.AlphaToOne = false
	}
	if sched.Spacing != "leading" {
		sched.StepsOffset = 0 // it moves leading timesteps alone
	}
	return sched
}

// coefficients is the row of a step from one timestep to another. The references go back by a fixed stride, which is not
// always the next listed timestep; one below 0 is the end.
func coefficients(s *config.Scheduler, products []float64, from, to int) [4]float32 {
	here, there := products[from], 1.0
	switch {
	case to >= 0:
		there = products[to]
	case !s.AlphaToOne:
		there = products[0]
	}
	return [4]float32{float32(math.Sqrt(here)), float32(math.Sqrt(1 - here)), float32(math.Sqrt(there)), float32(math.Sqrt(1 - there))}
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
