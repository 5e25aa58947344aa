package sdxl

import (
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/clip"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
)

// EncodePrompt describes the encoding of prompts by SDXL's text encoders.
type EncodePrompt struct {
	Text      [2]*config.Text // text_encoder, text_encoder_2
	Precision program.Precision
	Batch     int // prompts at once
	Tokens    int // ids a prompt, 77
	Patches   program.Patches
}

// Names of a prompt program's inputs and outputs; i is 0 or 1.
var (
	InIDs  = [2]string{"ids", "ids_2"}   // [B,T] Int32
	InEnds = [2]string{"ends", "ends_2"} // [B] Int32: rows of the end of text
)

// Outputs of a prompt program.
const (
	OutContext = "context" // [B,T,hidden+hidden_2]: penultimate hidden states
	OutPooled  = "pooled"  // [B,projection]: of text_encoder_2
)

// Program builds both encoders.
func (e *EncodePrompt) Program() *program.Program {
	b := program.NewBuilder("encode-prompt", e.Precision)
	b.Patch(e.Patches)
	var states []program.ID
	var pooled program.ID
	for i, prefix := range [2]string{"text_encoder/", "text_encoder_2/"} {
		ids := b.Input(InIDs[i], program.Int32, e.Batch, e.Tokens)
		ends := b.Input(InEnds[i], program.Int32, e.Batch)
		if !e.Text[i].WithProjection { // nothing reads its last layer
			states = append(states, clip.Penultimate(b, prefix, e.Text[i], ids))
			continue
		}
		out := clip.Text(b, prefix, e.Text[i], ids, ends)
		states = append(states, out.Penultimate)
		pooled = out.Pooled
	}
	b.Output(OutContext, b.Concat(-1, states...))
	if pooled != program.None {
		b.Output(OutPooled, pooled)
	}
	return b.Program()
}
