// Package edition says whose conventions a run follows: the references render the same model differently in small ways, and each
// way is one field of [Edition]. docs/editions.md has a row for each field, with its place in the references and its test.
package edition

import (
	"fmt"
	"strings"
)

// Edition is one reference's conventions. Only these fields differ between editions; nothing asks for the name to decide what to do.
type Edition struct {
	Name string // as workflow files and action keys have it

	// Prompts.
	ComposeText  bool // text is brought to Unicode's composed form (NFC) first
	UnicodeWords bool // words are of letters and digits of all scripts; otherwise of ASCII's, and other letters and digits are dropped
	MergeBytes   bool // bytes that are no printable Latin-1 (of dashes, quotation marks, emoji) are merged with others; otherwise a token each
	SpecialText  bool // special tokens written in a prompt are those: <|startoftext|>, <|endoftext|> and the second encoder's "!"; otherwise words like others
	ZeroNegative bool // an absent negative prompt is zeros where the model's configuration says so; otherwise the empty text

	// Sampling.
	TimeIDs         int  // height and width that SDXL is told; 0: the picture's own
	ModelTimesteps  bool // spacing and offset of timesteps are the scheduler configuration's; otherwise leading, with offset 1
	ModelFinalAlpha bool // the last step goes to the alpha that set_alpha_to_one chooses; otherwise to that of timestep 0
	GuideBelowOne   bool // guidance scales below 1 guide; otherwise they run the prompt alone, as 1 does
	FinalNoise      bool // the last step keeps its share of the predicted noise; otherwise none
	SelfAlone       bool // self-attention guidance works with one conditioning

	// Pictures.
	ResnetEps   float32 // epsilon of the norms in the autoencoder's residual blocks
	RoundPixels bool    // colours are rounded to the nearest byte, ties to even; otherwise cut off

	// Image prompts.
	Orient    bool // the picture is turned as its EXIF says
	ColourKey bool // a colour that a PNG names as transparent becomes white; otherwise it stays
	CropImage bool // the shorter edge is resized and the middle cut out; otherwise all is squeezed into the square
}

// Diffusers is diffusers with the tokenizers and image processors of transformers.
var Diffusers = Edition{
	Name:        "diffusers",
	ComposeText: true, UnicodeWords: true, MergeBytes: true, SpecialText: true, ZeroNegative: true,
	ModelTimesteps: true, ModelFinalAlpha: true, FinalNoise: true, SelfAlone: true,
	ResnetEps: 1e-6, RoundPixels: true,
	Orient: true, ColourKey: true, CropImage: true,
}

// Refiners is finegrain's Refiners.
var Refiners = Edition{
	Name:    "refiners",
	TimeIDs: 1024, GuideBelowOne: true,
	ResnetEps: 1e-5,
}

// All lists the editions; the first is what a workflow file has that names none.
func All() []Edition { return []Edition{Diffusers, Refiners} }

// ByName finds an edition. An unknown name is an error that lists those there are.
func ByName(name string) (Edition, error) {
	var names []string
	for _, e := range All() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Edition{}, fmt.Errorf("edition %q is not one of %s", name, strings.Join(names, ", "))
}
