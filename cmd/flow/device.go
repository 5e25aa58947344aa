package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/dustin/go-humanize"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
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

// planOn has plans for a GPU say what its memory takes, before one is opened.
func planOn(device string, env *nodes.Env) bool {
	if device != "cuda" {
		return false
	}
	env.Executor = cuda.Planner(driver.Info{})
	return true
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
	var streamed bool
	w.Use(func(env *nodes.Env) {
		env.Executor = e
		if streamed = env.LowMemory; streamed {
			env.SaveMemory()
		}
	})
	done = func() {
		for _, err := range []error{e.Close(), d.Close()} {
			if err != nil {
				a.log().Warn("giving the device back", "error", err)
			}
		}
	}
	if err := fits(w, d.Info(), streamed); err != nil {
		done()
		return nil, err
	}
	return done, nil
}

// fits says before a run what does not fit into a device's memory.
func fits(w *flowruntime.Workflow, info driver.Info, streamed bool) error {
	var most *sched.MemoryError
	if !errors.As(w.Limit(info.TotalBytes), &most) {
		return nil
	}
	advice := "numerics.weights: streamed, or --low-memory, needs less; so does a smaller picture"
	if streamed {
		advice = "draw a smaller picture, or run on the CPU with --device cpu"
	}
	return &exitError{exitRun, fmt.Sprintf("node %q needs %s of memory on %s, which has %s: %s", most.Node, humanize.IBytes(uint64(most.Need)), info.Name, humanize.IBytes(uint64(most.Limit)), advice)}
}
