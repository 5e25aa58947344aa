package main

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/parity"
)

// mistakes names the controls of the UNet's evaluation.
func mistakes() []string { return []string{"weight", "heads"} }

// mistake makes one: each has to exceed the bound tenfold.
func mistake(s *parity.Suite, name string) error {
	switch name {
	case "":
	case "weight": // one of 2.6 billion
		s.Damage = "unet/mid_block.resnets.0.conv1.weight"
	case "heads":
		s.Model.UNet.Heads[len(s.Model.UNet.Heads)-1]--
		for h := s.Model.UNet.Heads; 1280%h[len(h)-1] != 0; {
			h[len(h)-1]--
		}
	default:
		return fmt.Errorf("mistake %q is not one of %v", name, mistakes())
	}
	return nil
}
