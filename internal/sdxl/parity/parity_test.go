package parity

import (
	"context"
	"os"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

const testdata = "../testdata"

// suites are the models with goldens.
func suites(t *testing.T) map[string]*Suite {
	t.Helper()
	out := make(map[string]*Suite)
	for name, path := range map[string]string{"castle": "../../../examples/castle/model", "oddball": testdata + "/oddball/model"} {
		m, err := sdxl.Open(path, weights.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		out[name] = &Suite{Model: m, Goldens: testdata + "/" + name, Executor: cpu.New(), Precision: program.F32}
	}
	return out
}

func check(t *testing.T, rows []Row, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatal("nothing was compared")
	}
	for _, r := range rows {
		t.Logf("%-60s %.2e (bound %.0e)", r.Block, r.Difference, r.Bound)
		if !r.OK() {
			t.Errorf("%s differs by %.3e, bound %.0e", r.Block, r.Difference, r.Bound)
		}
	}
}

// control checks that a deliberate mistake is seen: some row exceeds its bound tenfold.
func control(t *testing.T, mistake string, rows []Row, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", mistake, err)
	}
	worst := 0.0
	for _, r := range rows {
		if r.Bound > 0 {
			worst = max(worst, r.Difference/r.Bound)
		}
	}
	t.Logf("control: %s: %.0f times the bound", mistake, worst)
	if worst < 10 {
		t.Errorf("%s: the greatest difference is %.1f times its bound; the test would not see it", mistake, worst)
	}
}

// with is the suite on a model that was changed by a mistake.
func (s *Suite) with(change func(m *sdxl.Model)) *Suite {
	m, u, v, t0, t1, sched := *s.Model, *s.Model.UNet, *s.Model.VAE, *s.Model.Text[0], *s.Model.Text[1], *s.Model.Scheduler
	m.UNet, m.VAE, m.Text[0], m.Text[1], m.Scheduler = &u, &v, &t0, &t1, &sched
	u.Heads = append([]int(nil), u.Heads...)
	change(&m)
	out := *s
	out.Model = &m
	return &out
}

func TestText(t *testing.T) {
	for name, s := range suites(t) {
		t.Run(name, func(t *testing.T) {
			rows, err := s.Text(context.Background())
			check(t, rows, err)
			rows, err = s.with(func(m *sdxl.Model) { m.Text[0].Heads = 1 }).Text(context.Background())
			control(t, "one head in text_encoder", rows, err)
			rows, err = s.with(func(m *sdxl.Model) { m.Text[1].Act, m.Text[0].Act = m.Text[0].Act, m.Text[1].Act }).Text(context.Background())
			control(t, "the activations exchanged", rows, err)
		})
	}
}

func TestStep(t *testing.T) {
	for name, s := range suites(t) {
		t.Run(name, func(t *testing.T) {
			rows, err := s.Step(context.Background())
			check(t, rows, err)
			rows, err = s.with(func(m *sdxl.Model) { m.UNet.Heads[2] = 1 }).Step(context.Background())
			control(t, "one head in the last level", rows, err)
			rows, err = s.with(func(m *sdxl.Model) { m.UNet.FlipSinToCos = !m.UNet.FlipSinToCos }).Step(context.Background())
			control(t, "sines and cosines exchanged", rows, err)
			damaged := *s
			damaged.Damage = "unet/mid_block.resnets.0.conv1.weight"
			rows, err = damaged.Step(context.Background())
			control(t, "one element of one weight changed", rows, err)
		})
	}
}

func TestSizes(t *testing.T) {
	all := suites(t)
	for name, file := range map[string]string{"castle": "unet_sizes.safetensors", "oddball": "unet_batch.safetensors"} {
		t.Run(name, func(t *testing.T) {
			rows, err := all[name].Sizes(context.Background(), file)
			check(t, rows, err)
			rows, err = all[name].with(func(m *sdxl.Model) { m.UNet.Heads[2] = 1 }).Sizes(context.Background(), file)
			control(t, "one head in the last level", rows, err)
		})
	}
}

func TestDenoise(t *testing.T) {
	all := suites(t)
	for folder, name := range map[string]string{"castle": "castle", "oddball": "oddball", "endtoend/104x152": "castle", "endtoend/128x88": "castle"} {
		t.Run(folder, func(t *testing.T) {
			s := all[name]
			dir := testdata + "/" + folder
			rows, err := s.Denoise(context.Background(), dir)
			check(t, rows, err)
			if testing.Short() || os.Getenv("CI") != "" && folder != name {
				return
			}
			rows, err = s.with(func(m *sdxl.Model) { m.Scheduler.AlphaToOne = !m.Scheduler.AlphaToOne }).Denoise(context.Background(), dir)
			control(t, "the last step's rule changed", rows, err)
		})
	}
}

func TestVAE(t *testing.T) {
	for name, s := range suites(t) {
		t.Run(name, func(t *testing.T) {
			rows, err := s.VAE(context.Background())
			check(t, rows, err)
			rows, err = s.with(func(m *sdxl.Model) { m.VAE.NormGroups /= 2 }).VAE(context.Background())
			control(t, "half as many norm groups", rows, err)
			damaged := *s
			damaged.Damage = "vae/decoder.mid_block.attentions.0.to_q.weight"
			rows, err = damaged.VAE(context.Background())
			control(t, "one element of one weight changed", rows, err)
		})
	}
}
