package kinds

import (
	"fmt"
	"sync"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/tokenizer"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// shared is what is found out once for a model as it was loaded and all that is made of it.
type shared struct {
	base  *sdxl.Model
	reads func() map[string]map[string]bool // tensors that nodes read, by component

	mu         sync.Mutex
	tokenizers map[string]*described
}

func newShared(base *sdxl.Model, vae *sdxl.Autoencoder) *shared {
	return &shared{base: base, reads: sync.OnceValue(func() map[string]map[string]bool {
		out := base.Reads()
		out[sdxl.VAE] = vae.Reads()
		return out
	})}
}

// described is a tokenizer with what decides what it does.
type described struct {
	*tokenizer.Tokenizer
	documents []weights.Document
}

// tokenizer gives the tokenizer of text encoder 0 or 1.
func (m *model) tokenizer(i int, e edition.Edition) (*described, error) {
	x := m.shared
	x.mu.Lock()
	defer x.mu.Unlock()
	key := ofEdition([2]string{tokenizerPart, tokenizerPart2}[i], e)
	if t := x.tokenizers[key]; t != nil {
		return t, nil
	}
	t, err := x.make(i, e)
	if err != nil {
		return nil, err
	}
	if x.tokenizers == nil {
		x.tokenizers = make(map[string]*described)
	}
	x.tokenizers[key] = t
	return t, nil
}

// make makes a tokenizer that the text encoder can be used with.
func (x *shared) make(i int, e edition.Edition) (*described, error) {
	name := [2]string{tokenizerPart, tokenizerPart2}[i]
	files, err := x.base.Files.Tokenizer(name)
	if err != nil {
		return nil, err
	}
	t, err := tokenizer.ForModel(files, i == 1, e)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", name, x.base.Files.Path(), err)
	}
	if t.Len() > x.base.Text[i].MaxPositions {
		return nil, fmt.Errorf("%s of %s makes %d tokens, the text encoder takes %d", name, x.base.Files.Path(), t.Len(), x.base.Text[i].MaxPositions)
	}
	if id, vocab := t.MarkID(), x.base.Text[i].Vocab; id >= vocab {
		said := "its files"
		if len(files) == 0 {
			said = "the public CLIP vocabulary, as the model has no tokenizer files"
		}
		return nil, fmt.Errorf("%s of %s marks texts with id %d, by %s; the text encoder knows %d", name, x.base.Files.Path(), id, said, vocab)
	}
	d, err := t.Describe()
	if err != nil {
		return nil, err
	}
	return &described{t, []weights.Document{{Name: "settings", Data: d.Settings}, {Name: "vocabulary", Data: d.Vocabulary}}}, nil
}
