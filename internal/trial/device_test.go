package trial

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
)

// counting is an executor that counts what it compiles.
type counting struct {
	program.Executor
	n int
}

func (c *counting) Compile(p *program.Program, opt program.Options) (program.Exec, error) {
	c.n++
	return c.Executor.Compile(p, opt)
}

// TestOnDevice: a test runs on what On gives, which is given back; where there is none, the test could not be judged.
func TestOnDevice(t *testing.T) {
	r := newRig(t)
	r.run(Rewrite, "five")
	device, given, back := &counting{Executor: cpu.New()}, 0, 0
	r.opt.On = func(w *flowruntime.Workflow) (func(), error) {
		given++
		w.Use(func(env *nodes.Env) { env.Executor = device })
		return func() { back++ }, nil
	}
	if got := r.run(Compare, "five")["five"]; got.State != Pass || device.n == 0 || given == 0 || given != back {
		t.Errorf("%v %s: compiled %d, given %d and back %d times", got.State, got.Message, device.n, given, back)
	}
	r.opt.On = func(*flowruntime.Workflow) (func(), error) { return nil, errors.New("no device") }
	if got := r.run(Compare, "five")["five"]; got.State != Broken || !strings.Contains(got.Message, "no device") {
		t.Errorf("%v %s", got.State, got.Message)
	}
}
