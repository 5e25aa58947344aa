package convert

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// Names that tensors can be given.
const (
	ToOriginal  = "original"  // the names that they have in their file
	ToDiffusers = "diffusers" // those of a diffusers folder
	ToRefiners  = "refiners"  // those of Refiners
)

// Options say what to write.
type Options struct {
	To   string // "" means ToOriginal
	Part string // as [Parts] lists them; "" means the only one that there is
	Half bool   // write F16
	// Variant picks among the weight files of a folder.
	Variant string
	// Config is a diffusers folder of the model that an IP-Adapter is for. "" means SDXL.
	Config string
	// Overwrite allows the output to be there already.
	Overwrite bool
}

// Result says what was written.
type Result struct {
	Part    string // "" where tensors were copied without looking at names
	Tensors int
	Bytes   int64    // of the file
	LeftOut []string // tensors that the output has no place for, on purpose: buffers, and what Refiners does not keep
	Notes   []string // what a reader of the output should know
}

// Parts lists what [Options.Part] may be: Refiners' parts, and each text encoder alone.
var Parts = append(slices.Clone(keymap.Parts), "text-encoder", "text-encoder-2")

// components gives the components of a part.
func components(part string) []string {
	if rest, ok := strings.CutPrefix(part, "text-encoder"); ok {
		return []string{"text_encoder" + strings.ReplaceAll(rest, "-", "_")}
	}
	return keymap.PartComponents(part)
}

// Convert reads the model, component or file at path and writes one part to out.
func Convert(ctx context.Context, path, out string, opt Options) (*Result, error) {
	if opt.To == "" {
		opt.To = ToOriginal
	}
	if !slices.Contains([]string{ToOriginal, ToDiffusers, ToRefiners}, opt.To) {
		return nil, fmt.Errorf("names cannot be converted to %q; there are original, diffusers, refiners", opt.To)
	}
	if opt.Part != "" && !slices.Contains(Parts, opt.Part) {
		return nil, fmt.Errorf("there is no part %q; there are %s", opt.Part, strings.Join(Parts, ", "))
	}
	attentions, err := attentionsOf(opt.Config)
	if err != nil {
		return nil, err
	}
	src, err := open(path, opt, attentions)
	if err != nil {
		return nil, err
	}
	defer src.close()
	res, tensors, err := src.named(opt, attentions)
	if err != nil {
		return nil, err
	}
	res.Tensors = len(tensors)
	var metadata map[string]string
	if opt.To != ToRefiners {
		metadata = src.metadata(opt.To)
	}
	res.Bytes, err = write(ctx, out, tensors, metadata, opt)
	return res, err
}

// attentionsOf counts the cross-attentions of the UNet that a diffusers folder describes.
func attentionsOf(folder string) (keymap.Attentions, error) {
	if folder == "" {
		return keymap.SDXLAttentions, nil
	}
	path := filepath.Join(folder, "unet", "config.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		return keymap.Attentions{}, fmt.Errorf("cannot read the model's configuration: %w", err)
	}
	u, err := config.ParseUNet(raw)
	if err != nil {
		return keymap.Attentions{}, fmt.Errorf("%s: %w", path, err)
	}
	return u.CrossAttentions(), nil
}

// metadata is what the header says beside tensors: the source's own where names stay, and the mark that
// transformers asks for.
func (s *source) metadata(to string) map[string]string {
	m := map[string]string{"format": "pt"}
	if to == ToOriginal && s.file != nil {
		for k, v := range s.file.Metadata() {
			m[k] = v
		}
	}
	return m
}

// tensor is one tensor to write.
type tensor struct {
	name, dtype string
	shape       []int
	file        *weights.File
	bytes       func() ([]byte, error)
	half        string // the type in the file, where dtype was made F16
}

// size is the number of bytes to write. An element type that the format does not know has none.
func (t *tensor) size() int64 {
	n := int64(elementSizes[t.dtype])
	for _, d := range t.shape {
		n *= int64(d)
	}
	return n
}
