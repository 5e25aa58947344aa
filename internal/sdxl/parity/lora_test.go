package parity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/lora"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

const loraData = testdata + "/lora/"

// cases lists the adapters of a golden: "peft@0.7+kohya@1.3" is two files with their scales.
func cases(t *testing.T, file string) []string {
	t.Helper()
	f, err := weights.OpenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out []string
	for _, name := range f.Names() {
		at := strings.LastIndexByte(name, '.')
		if !slices.Contains(out, name[:at]) {
			out = append(out, name[:at])
		}
	}
	slices.Sort(out)
	return out
}

// withLoRAs puts the adapters of a case on the suite's model; change alters each one's options.
func (s *Suite) withLoRAs(t *testing.T, name string, path func(file string) string, change func(*lora.Options)) *Suite {
	t.Helper()
	shapes, err := Shapes(s.Model)
	if err != nil {
		t.Fatal(err)
	}
	out := *s
	out.LoRAs = nil
	for one := range strings.SplitSeq(name, "+") {
		file, scale, _ := strings.Cut(one, "@")
		opt := lora.Options{}
		if _, err := fmt.Sscan(scale, &opt.Scale); err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(&opt)
		}
		f, err := lora.Open(path(file))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		a, err := lora.Apply(f, shapes, opt)
		if err != nil {
			t.Fatal(err)
		}
		out.LoRAs = append(out.LoRAs, a)
	}
	return &out
}

// TestLoRA compares each format with the library that has it.
func TestLoRA(t *testing.T) {
	const file = loraData + "oddball/golden.safetensors"
	s := suites(t)["oddball"]
	path := func(name string) string { return loraData + "oddball/" + name + ".safetensors" }
	for _, name := range cases(t, file) {
		t.Run(name, func(t *testing.T) {
			rows, err := s.withLoRAs(t, name, path, nil).LoRA(context.Background(), file, name)
			check(t, rows, err)
			rows, err = s.withLoRAs(t, name, path, func(o *lora.Options) { o.Scale *= 1.1 }).LoRA(context.Background(), file, name)
			control(t, "a tenth more scale", rows, err)
		})
	}
}

// stagePath finds the tutorial's LoRAs in their examples.
func stagePath(name string) string {
	if name == "original" {
		return loraData + "castle/original.safetensors"
	}
	return "../../../examples/" + name + "/loras/" + name + ".safetensors"
}

// TestLoRAStages compares the tutorial's LoRAs, alone and together, and convolutions under names of the original layout.
func TestLoRAStages(t *testing.T) {
	const file = loraData + "castle/golden.safetensors"
	s := suites(t)["castle"]
	for _, name := range cases(t, file) {
		t.Run(name, func(t *testing.T) {
			rows, err := s.withLoRAs(t, name, stagePath, nil).LoRA(context.Background(), file, name)
			check(t, rows, err)
			rows, err = s.withLoRAs(t, name, stagePath, func(o *lora.Options) { o.Scale *= 2 }).LoRA(context.Background(), file, name)
			control(t, "alpha taken for the rank: twice the strength", rows, err)
		})
	}
}

// TestLoRADenoise compares whole sampling runs with the tutorial's LoRAs.
func TestLoRADenoise(t *testing.T) {
	for _, name := range []string{"sci-fi@1.0", "sci-fi@1.0+pixel-art@1.4"} {
		t.Run(name, func(t *testing.T) {
			s := suites(t)["castle"].withLoRAs(t, name, stagePath, nil)
			s.Goldens = loraData + "castle/" + name
			rows, err := s.Denoise(context.Background(), s.Goldens)
			check(t, rows, err)
			if len(rows) != 3 {
				t.Errorf("%d steps were compared", len(rows))
			}
			if testing.Short() {
				return
			}
			last := s.LoRAs
			s.LoRAs = last[:len(last)-1]
			rows, err = s.Denoise(context.Background(), s.Goldens)
			control(t, "without the last LoRA", rows, err)
		})
	}
}
