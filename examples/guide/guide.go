// Package guide embeds the four steps of the guide "Adapting Stable Diffusion XL" as workflows. Model, LoRAs, adapter and
// picture are those of the other examples.
package guide

import (
	"embed"
	"io/fs"
)

//go:embed *.flow.yaml *.flow.lock README.md goldens pictures
var files embed.FS

// Workflow is the name of the last step's workflow file.
const Workflow = "4-image-prompt.flow.yaml"

// Files are the example's files, without model, LoRAs, adapter and picture.
func Files() fs.FS { return files }
