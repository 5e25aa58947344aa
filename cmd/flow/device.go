package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
)

// openDevice opens the first CUDA device; nil in builds without cuda/cudrv (device_cuda.go).
var openDevice func() (driver.Driver, error)

// simulated says that device: cuda means the simulator: for tests (docs/cli.md, FLOW_CUDA).
func simulated() bool { return os.Getenv("FLOW_CUDA") == "sim" }

// noCUDA says how to get a build that drives a GPU.
const noCUDA = "this build has no CUDA: `go run ./internal/tools/cudabuild`, in a checkout of flow on Linux, builds one (docs/cuda.md); " +
	"numerics.device: cpu, or --device cpu, runs on the CPU"

// device opens the device that "cuda" means.
func device() (driver.Driver, error) {
	if simulated() {
		return sim.Open(sim.Options{Quick: true}), nil
	}
	if openDevice == nil {
		return nil, &exitError{exitFile, noCUDA}
	}
	d, err := openDevice()
	if err != nil {
		return nil, &exitError{exitRun, fmt.Sprintf("no CUDA device can be used: %v; numerics.device: cpu, or --device cpu, runs on the CPU", err)}
	}
	return d, nil
}

// auto is what the device "auto" is here: cuda where a device can be opened.
func (a *app) auto() string {
	d, err := device()
	if err == nil {
		err = d.Close()
	}
	if err != nil {
		a.log().Debug("device: auto is the CPU", "since", err)
		return "cpu"
	}
	return "cuda"
}

// onDevice gives a run the executor of the device that its plan names. The function that it returns gives the device back.
func (a *app) onDevice(w *flowruntime.Workflow) (done func(), err error) {
	if w.Plan.Device != "cuda" {
		return func() {}, nil
	}
	d, err := device()
	if err != nil {
		return nil, err
	}
	e, err := cuda.New(d)
	if err != nil {
		return nil, &exitError{exitRun, errors.Join(fmt.Errorf("%s: %w", d.Info().Name, err), d.Close()).Error()}
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
