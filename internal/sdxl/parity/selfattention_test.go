package parity

import (
	"context"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
)

func TestSelfAttention(t *testing.T) {
	s := suites(t)["castle"]
	for _, name := range []string{"128x128", "104x152", "alone"} {
		t.Run(name, func(t *testing.T) {
			dir := testdata + "/sag/" + name
			rows, err := s.SelfAttention(context.Background(), dir)
			check(t, rows, err)
			plain := *s
			plain.NoSelfAttention = true
			rows, err = plain.Denoise(context.Background(), dir)
			control(t, "no self-attention guidance", rows, err)
			rows, err = s.with(func(m *sdxl.Model) { m.UNet.Heads[2] = 1 }).SelfAttention(context.Background(), dir)
			control(t, "one head in the middle block", rows, err)
		})
	}
}
