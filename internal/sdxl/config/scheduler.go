package config

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Scheduler is the noise schedule a model was trained with.
type Scheduler struct {
	TrainSteps         int
	BetaStart, BetaEnd float64
	BetaSchedule       string // "scaled_linear" or "linear"
	Prediction         program.Prediction
	StepsOffset        int
	Spacing            string // "leading", "linspace" or "trailing"
	AlphaToOne         bool   // set_alpha_to_one: the step before the first has alpha 1
}

type schedulerJSON struct {
	TrainSteps  int       `json:"num_train_timesteps"`
	BetaStart   float64   `json:"beta_start"`
	BetaEnd     float64   `json:"beta_end"`
	Beta        string    `json:"beta_schedule"`
	Trained     []float64 `json:"trained_betas"`
	Prediction  string    `json:"prediction_type"`
	StepsOffset int       `json:"steps_offset"`
	Spacing     string    `json:"timestep_spacing"`
	AlphaToOne  *bool     `json:"set_alpha_to_one"`
	Rescale     bool      `json:"rescale_betas_zero_snr"`
	Clip        *bool     `json:"clip_sample"`
	Threshold   bool      `json:"thresholding"`
}

// ParseScheduler reads scheduler_config.json as diffusers' DDIMScheduler.from_config
// does, with its defaults for absent fields.
func ParseScheduler(data []byte) (*Scheduler, error) {
	j := schedulerJSON{TrainSteps: 1000, BetaStart: 0.0001, BetaEnd: 0.02, Beta: "linear", Prediction: "epsilon", Spacing: "leading"}
	if err := decode("scheduler", data, &j); err != nil {
		return nil, err
	}
	predictions := map[string]program.Prediction{"epsilon": program.PredictEpsilon, "v_prediction": program.PredictV, "sample": program.PredictSample}
	p, ok := predictions[j.Prediction]
	if !ok {
		return nil, fmt.Errorf("scheduler configuration: prediction_type %q is not one of epsilon, v_prediction, sample", j.Prediction)
	}
	u := unsupported{what: "scheduler"}
	u.need(len(j.Trained) == 0, "trained_betas", "set")
	u.need(!j.Rescale, "rescale_betas_zero_snr", true)
	u.need(j.Clip != nil && !*j.Clip, "clip_sample", true)
	u.need(!j.Threshold, "thresholding", true)
	u.need(j.Beta == "scaled_linear" || j.Beta == "linear", "beta_schedule", j.Beta)
	u.need(j.Spacing == "leading" || j.Spacing == "trailing" || j.Spacing == "linspace", "timestep_spacing", j.Spacing)
	if err := u.err(); err != nil {
		return nil, err
	}
	if !positive(1<<20, j.TrainSteps) {
		return nil, fmt.Errorf("scheduler configuration: num_train_timesteps is %d", j.TrainSteps)
	}
	return &Scheduler{TrainSteps: j.TrainSteps, BetaStart: j.BetaStart, BetaEnd: j.BetaEnd, BetaSchedule: j.Beta, Prediction: p,
		StepsOffset: j.StepsOffset, Spacing: j.Spacing, AlphaToOne: orTrue(j.AlphaToOne)}, nil
}
