package parity

import (
	"os"
	"strings"

	"github.com/nlpodyssey/safetensors"
)

// WriteBaseAdapter writes the base adapter that a golden describes: its tensors "base.image_proj." with the attentions of a Plus adapter.
func WriteBaseAdapter(path, golden, plus string) error {
	views := make(map[string]safetensors.TensorView)
	for file, prefix := range map[string]string{golden: "base.image_proj.", plus: "ip_adapter."} {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		tensors, err := safetensors.Deserialize(data)
		if err != nil {
			return err
		}
		for _, named := range tensors.Tensors() {
			if strings.HasPrefix(named.Name, prefix) {
				views[strings.TrimPrefix(named.Name, "base.")] = named.TensorView
			}
		}
	}
	data, err := safetensors.Serialize(views, nil)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}
