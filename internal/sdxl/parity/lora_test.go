package parity

import (
	"context"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// TestLoRA compares each format with the library that has it, and the tutorial's LoRAs; each adapter's control exceeds its bounds.
func TestLoRA(t *testing.T) {
	for model, s := range suites(t) {
		names, err := s.LoRANames()
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]int{"castle": 3, "oddball": 20}[model]; len(names) < want {
			t.Errorf("%s: %d adapters in the golden", model, len(names))
		}
		for _, name := range names {
			t.Run(model+"/"+name, func(t *testing.T) {
				rows, err := s.lora(name, 1)
				check(t, rows, err)
				rows, err = s.lora(name, 1.1)
				control(t, "a tenth more scale", rows, err)
			})
		}
	}
}

// TestLoRASampling compares 30 steps with each format.
func TestLoRASampling(t *testing.T) {
	if testing.Short() {
		t.Skip("30 steps for each format")
	}
	s := suites(t)["oddball"]
	names, err := s.LoRANames()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			rows, err := s.loraLatents(context.Background(), name, 1)
			check(t, rows, err)
			if len(rows) != 1 {
				t.Fatalf("%d latents compared", len(rows))
			}
			rows, err = s.loraLatents(context.Background(), name, 1.1)
			control(t, "a tenth more scale", rows, err)
		})
	}
}

// lora compares one adapter of the model's golden, or several, at their scales times factor.
func (s *Suite) lora(name string, factor float64) ([]Row, error) {
	with, done, err := s.WithLoRAs(name, factor)
	if err != nil {
		return nil, err
	}
	defer done()
	return with.LoRA(context.Background(), s.loraFolder()+"/golden.safetensors", name)
}

// TestLoRAOrder: the order of LoRAs decides roundings alone, in both classes.
func TestLoRAOrder(t *testing.T) {
	for _, precision := range []program.Precision{program.F32, program.BF16} {
		t.Run(precision.String(), func(t *testing.T) {
			s := *suites(t)["oddball"]
			s.Precision = precision
			one, done, err := s.WithLoRAs("peft@0.7+kohya@1.3+loha@0.5+dora-outputs@1.0", 1)
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			other := *one
			l := one.LoRAs
			other.LoRAs = append(l[3:4:4], l[1], l[0], l[2])
			bound := 1e-5
			if precision == program.BF16 {
				bound = 2e-2
			}
			a, b := one.prediction(t), other.prediction(t)
			d := Difference(a, b)
			t.Logf("in another order: %.2e (bound %.0e)", d, bound)
			if d > bound {
				t.Errorf("another order of LoRAs makes %.3e", d)
			}
			other.LoRAs = l[:3]
			if d := Difference(other.prediction(t), a); d < 10*bound {
				t.Errorf("without one LoRA the difference is %.3e: the test would not see it", d)
			}
		})
	}
}

// TestLoRABack: a scale that is changed and changed back gives the same bits.
func TestLoRABack(t *testing.T) {
	s := suites(t)["oddball"]
	var first []float32
	for i, factor := range []float64{1, 3, 1} {
		with, done, err := s.WithLoRAs("kohya@0.8+lokr@1.0", factor)
		if err != nil {
			t.Fatal(err)
		}
		got := with.prediction(t)
		done()
		switch d := 0.0; {
		case i == 0:
			first = got
		case factor == 1:
			if d = Difference(got, first); d != 0 {
				t.Errorf("back at the first scale the difference is %.3e", d)
			}
		default:
			if d = Difference(got, first); d < 1e-3 {
				t.Errorf("another scale makes %.3e", d)
			}
		}
	}
}

// prediction is one UNet evaluation.
func (s *Suite) prediction(t *testing.T) []float32 {
	t.Helper()
	in, p, err := s.loraEvaluation(481)
	if err != nil {
		t.Fatal(err)
	}
	r := run{suite: s, program: p, parts: []string{"unet"}}
	out, err := r.run(context.Background(), in, program.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return out["prediction"].F
}

// TestLoRAMerged: merged into the weights or beside them, a LoRA does the same; several, some merged and some not, do too, in any order.
func TestLoRAMerged(t *testing.T) {
	const bound32, bound16 = 1e-5, 5e-2 // in bf16 the sum is rounded in place of its parts
	for _, precision := range []program.Precision{program.F32, program.BF16} {
		t.Run(precision.String(), func(t *testing.T) {
			bound, control := bound32, 10*bound32
			if precision == program.BF16 {
				bound, control = bound16, 2*bound16
			}
			s := *suites(t)["oddball"]
			s.Precision = precision
			const name = "peft@0.7+kohya@1.3+locon-mid@0.9"
			beside, done, err := s.WithLoRAs(name, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			s.Merge = true
			merged, done, err := s.WithLoRAs(name, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			if n := len(merged.additions("unet")); n != 0 {
				t.Fatalf("%d weights have something beside them", n)
			}
			want, mixed := beside.prediction(t), *merged
			mixed.LoRAs = append(beside.LoRAs[1:2:2], merged.LoRAs[2], merged.LoRAs[0])
			for what, with := range map[string]*Suite{"merged": merged, "the second beside, the others merged in another order": &mixed} {
				d := Difference(with.prediction(t), want)
				t.Logf("%s: %.2e (bound %.0e)", what, d, bound)
				if d > bound || d == 0 {
					t.Errorf("%s: the difference is %.3e", what, d)
				}
			}
			mixed.LoRAs = mixed.LoRAs[:2]
			if d := Difference(mixed.prediction(t), want); d < control {
				t.Errorf("without one LoRA the difference is %.3e: the test would not see it", d)
			}
		})
	}
}
