package main

import (
	"fmt"
	"os"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
)

// openDevice opens the first CUDA device; nil in builds without cuda/cudrv.
var openDevice func() (driver.Driver, error)

// simulated says that device: cuda means the simulator: for tests (docs/cli.md, FLOW_CUDA).
func simulated() bool { return os.Getenv("FLOW_CUDA") == "sim" }

// onDevice gives a run the executor of the device that its plan names. The function that it returns gives the device back.
func (a *app) onDevice(w *flowruntime.Workflow) (done func(), err error) {
	if w.Plan.Device != "cuda" {
		return func() {}, nil
	}
	var d driver.Driver
	switch {
	case simulated():
		d = sim.Open(sim.Options{Quick: true})
	case openDevice == nil:
		return nil, &exitError{exitFile, "this build has no CUDA: it runs on the CPU (numerics.device: cpu, or --device cpu); no release has a CUDA build yet"}
	default:
		if d, err = openDevice(); err != nil {
			return nil, &exitError{exitRun, fmt.Sprintf("no CUDA device can be used: %v; numerics.device: cpu, or --device cpu, runs on the CPU", err)}
		}
	}
	e, err := cuda.New(d)
	if err != nil {
		return nil, &exitError{exitRun, fmt.Sprintf("%s: %v", d.Info().Name, err)}
	}
	w.Use(func(env *nodes.Env) { env.Executor = e })
	return func() {
		for _, err := range []error{e.Close(), d.Close()} {
			if err != nil {
				a.log().Warn("giving the device back", "error", err)
			}
		}
	}, nil
}
