package kinds

import (
	"context"
	"runtime/debug"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// worthTidying is the working memory in bytes from which on a program begins with the heap collected, and what is free given back to the
// system: neither what planning has left nor the working memory of the node before stands beside its own. That takes a few milliseconds.
const worthTidying = 16 << 20

// source gives a program's weights and says which do not fit it.
type source interface {
	program.WeightSource
	Check(refs []program.WeightRef) (surplus []string, err error)
}

// execute compiles and runs a program, reporting the steps of its loop, or its
// instructions where it has none.
func execute(ctx context.Context, env *nodes.Env, p *program.Program, src source, in map[string]program.Tensor, steps int) (map[string]program.Tensor, error) {
	declared := make(map[string]program.Tensor, len(p.Inputs))
	for _, port := range p.Inputs {
		declared[port.Name] = in[port.Name]
	}
	if _, err := src.Check(p.Weights()); err != nil {
		return nil, err
	}
	exec, err := env.Executor.Compile(p, program.Options{Weights: src, Threads: env.Threads, LowMemory: env.LowMemory})
	if err != nil {
		return nil, err
	}
	if env.LowMemory || exec.PeakBytes() >= worthTidying {
		debug.FreeOSMemory()
	}
	defer func() {
		_ = exec.Close()
		if env.LowMemory {
			debug.FreeOSMemory()
		}
	}()
	opt := program.RunOptions{}
	if steps > 0 {
		if env.Steps != nil {
			resume(env.Steps, p, steps, &opt)
		}
		env.Progress(opt.Start, steps)
		opt.OnStep = func(done int, state func() map[string]program.Tensor) error {
			env.Progress(done, steps)
			if env.Steps == nil {
				return nil
			}
			return env.Steps.Done(done, func() map[string]nodes.Tensor { return carried(state()) })
		}
	} else {
		n := len(p.Instrs)
		env.Progress(0, n)
		opt.OnInstr = func(i int, _ func(program.ID) program.Tensor) { env.Progress(i+1, n) }
	}
	return exec.Run(ctx, declared, opt)
}

// resume asks where a loop goes on.
func resume(s nodes.Steps, p *program.Program, steps int, opt *program.RunOptions) {
	start, state := s.Resume(steps, carriesOf(p))
	opt.Start, opt.State = start, make(map[string]program.Tensor, len(state))
	for name, t := range state {
		opt.State[name] = program.Tensor{Shape: t.Shape, F: t.Data}
	}
}

// carriesOf are the shapes of what a program's loop carries.
func carriesOf(p *program.Program) map[string][]int {
	carries := make(map[string][]int, len(p.Carries))
	for _, c := range p.Carries {
		carries[c.Name] = p.Shape(c.Body)
	}
	return carries
}

// carried are the values that a loop carries, as those of nodes.
func carried(state map[string]program.Tensor) map[string]nodes.Tensor {
	out := make(map[string]nodes.Tensor, len(state))
	for name, t := range state {
		out[name] = nodes.Tensor{Shape: t.Shape, Data: t.F}
	}
	return out
}

// estimator is an executor that knows what a program will take before it is compiled.
type estimator interface {
	Estimate(p *program.Program, threads int) int64
}

// weigher is an executor that knows what weights a program will have in this process's memory.
type weigher interface {
	EstimateWeights(p *program.Program, opt program.Options) int64
}

// weigh is what a program's weights will take; 0 where the executor has them elsewhere.
func weigh(env *nodes.Env, p *program.Program, src program.WeightSource) int64 {
	if e, ok := env.Executor.(weigher); ok {
		return e.EstimateWeights(p, program.Options{Weights: src, Threads: env.Threads, LowMemory: env.LowMemory})
	}
	return 0
}

// typedEstimator is one that keeps weights in memory of its own, of the types that they have in files.
type typedEstimator interface {
	EstimateOf(p *program.Program, threads int, types program.TypeSource) int64
}

// estimate is the memory that a program will take; types is asked for those of its weights where they count.
func estimate(env *nodes.Env, p *program.Program, types func() program.TypeSource) int64 {
	if e, ok := env.Executor.(typedEstimator); ok {
		return e.EstimateOf(p, env.Threads, types())
	}
	if e, ok := env.Executor.(estimator); ok {
		return e.Estimate(p, env.Threads)
	}
	return program.PlanMemory(p).Bytes
}
