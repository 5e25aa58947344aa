// Package castle embeds the first example: a workflow and the small SDXL model that
// draws it, so that an installed binary has them too.
package castle

import (
	"embed"
	"io/fs"
)

//go:embed castle.flow.yaml castle.flow.lock README.md goldens all:model
var files embed.FS

// Workflow is the name of the workflow file.
const Workflow = "castle.flow.yaml"

// Files are the example's files.
func Files() fs.FS { return files }

//go:embed all:model
var model embed.FS

// Model is the model alone, as the folder model: for other examples.
func Model() fs.FS { return model }
