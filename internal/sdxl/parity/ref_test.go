package parity

import (
	"context"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program/ref"
)

// TestReferenceExecutor compares the reference executor with the goldens: text, an evaluation of the UNet and the autoencoder.
func TestReferenceExecutor(t *testing.T) {
	for name, s := range suites(t) {
		s.Executor = ref.New()
		for part, compare := range map[string]func(context.Context) ([]Row, error){"text": s.Text, "step": s.Step, "vae": s.VAE} {
			t.Run(name+"/"+part, func(t *testing.T) {
				rows, err := compare(context.Background())
				check(t, rows, err)
			})
		}
	}
}
