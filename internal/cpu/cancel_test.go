package cpu

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// TestCancelInsideBigOperations cancels runs of operations that take long, in their middle.
func TestCancelInsideBigOperations(t *testing.T) {
	if testing.Short() {
		t.Skip("operands of up to 32 MB")
	}
	for name, build := range map[string]func(b *program.Builder) program.ID{
		"convolution": func(b *program.Builder) program.ID {
			x := b.Input("x", program.Float32, 1, 128, 128, 512)
			return b.Product([]program.Tap{{X: x, W: b.Weight("w", 512, 512, 3, 3), KH: 3, KW: 3, PadTop: 1, PadLeft: 1}}, nil, program.None)
		},
		"linear": func(b *program.Builder) program.ID {
			return b.Product([]program.Tap{{X: b.Input("x", program.Float32, 1, 8192, 1280), W: b.Weight("w", 5120, 1280)}}, nil, program.None)
		},
		"attention": func(b *program.Builder) program.ID {
			x := b.Input("x", program.Float32, 1, 16384, 512)
			return b.Attention(x, x, x, 1, 0.04, false)
		},
	} {
		for _, prec := range []program.Precision{program.F32, program.BF16} {
			b := program.NewBuilder(name, prec)
			b.Output("y", build(b))
			p := b.Program()
			in := randomInputs(p)
			for _, tier := range kernel.Tiers() {
				t.Run(name+"/"+prec.String()+"/"+tier.Name, func(t *testing.T) { cancelPromptly(t, tier, p, in, newRandomSource(p)) })
			}
		}
	}
}

// cancelPromptly allows for a busy machine: one of three runs must stop within the time.
func cancelPromptly(t *testing.T, tier kernel.Tier, p *program.Program, in map[string]program.Tensor, src program.WeightSource) {
	t.Helper()
	x, err := WithTier(tier).Compile(p, program.Options{Weights: src, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	best := time.Hour
	for range 3 {
		ctx, cancel := context.WithCancel(context.Background())
		var asked time.Time
		timer := time.AfterFunc(20*time.Millisecond, func() { asked = time.Now(); cancel() }) // the quickest operation takes 80 ms so far
		_, err := x.Run(ctx, in, program.RunOptions{})
		if timer.Stop() || !errors.Is(err, context.Canceled) {
			t.Fatalf("the run ended before it was cancelled: %v", err)
		}
		if best = min(best, time.Since(asked)); best < 200*time.Millisecond {
			return
		}
	}
	t.Errorf("cancelled runs went on for %v at least", best)
}

// helperPanics is an operation of which a task panics on a worker other than the caller's.
type helperPanics struct{ x *exec }

func (o *helperPanics) run() error {
	return o.x.pool.do(&panicking{"a bug", func(w *worker) bool { return w.id != 0 }}, 1000, small)
}

// TestRunCarriesPanicsOfWorkers checks that a worker's panic arrives on the goroutine that called Run, and that the
// compiled program is as good as before.
func TestRunCarriesPanicsOfWorkers(t *testing.T) {
	p, in, src := castleDenoise(t, program.F32, 1)
	want := runProgram(t, p, in, src)
	e, err := New().Compile(p, program.Options{Weights: src, Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	x := e.(*exec)
	whole := x.ops[20]
	x.ops[20] = &helperPanics{x}
	func() {
		defer func() {
			if wp, ok := recover().(*WorkerPanic); !ok || wp.Value != any("a bug") {
				t.Errorf("recovered %v", wp)
			}
		}()
		_, err := x.Run(context.Background(), in, program.RunOptions{})
		t.Errorf("the run returned %v", err)
	}()
	x.ops[20] = whole
	got, err := x.Run(context.Background(), in, program.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for port, w := range want {
		for i, v := range w.F {
			if got[port].F[i] != v {
				t.Fatalf("%s[%d] is %v after a panic, %v before", port, i, got[port].F[i], v)
			}
		}
	}
}
