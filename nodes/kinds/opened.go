package kinds

import (
	"context"

	"github.com/seed-8af8f8e1/flow/internal/weights"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// content is a file of a live value.
type content struct{ *weights.Content }

// Known implements nodes.Content.
func (c content) Known(m nodes.Memo, whole bool) (nodes.FileSum, int64, bool) {
	s, unread, ok := c.Content.Known(m, whole)
	return fileSum(s), unread, ok
}

// Sum implements nodes.Content.
func (c content) Sum(ctx context.Context, m nodes.Memo, whole bool) (nodes.FileSum, error) {
	s, err := c.Content.Sum(ctx, m, whole)
	return fileSum(s), err
}

func fileSum(s weights.FileSum) nodes.FileSum {
	return nodes.FileSum{SHA256: nodes.Digest(s.SHA256), Header: nodes.Digest(s.Header), Tensors: nodes.Digest(s.Tensors)}
}

func contents(list []*weights.Content) []nodes.Content {
	var out []nodes.Content
	for _, c := range list {
		out = append(out, content{c})
	}
	return out
}

// Contents implements nodes.Opened.
func (m *model) Contents() map[string][]nodes.Content {
	if own, ok := m.own.(interface{ Contents() []*weights.Content }); ok {
		return map[string][]nodes.Content{"weights": contents(own.Contents())}
	}
	for _, name := range []string{tokenizerPart, tokenizerPart2} { // which planning need not have read yet
		if _, err := m.base.Files.Tokenizer(name); err != nil {
			continue // whoever needs it says so
		}
	}
	out := map[string][]nodes.Content{"weights": contents(m.base.Files.Contents())}
	if vae := m.vae.Contents(); vae != nil {
		out["vae"] = contents(vae)
	}
	return out
}

// Contents implements nodes.Opened.
func (e *imageEncoder) Contents() map[string][]nodes.Content {
	return map[string][]nodes.Content{"weights": contents(e.Encoder.Contents())}
}

// Contents implements nodes.Opened.
func (f *inputFile) Contents() map[string][]nodes.Content {
	return map[string][]nodes.Content{"image": {content{f.Plain.Content()}}}
}
