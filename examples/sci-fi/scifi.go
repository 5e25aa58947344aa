// Package scifi embeds an example of a LoRA: a workflow and a LoRA of 0.9 MB for the small model, which is
// that of package castle.
package scifi

import (
	"embed"
	"io/fs"
)

//go:embed sci-fi.flow.yaml sci-fi.flow.lock README.md goldens sci-fi.png loras
var files embed.FS

// Workflow is the name of the workflow file.
const Workflow = "sci-fi.flow.yaml"

// Files are the example's files, without the model.
func Files() fs.FS { return files }

//go:embed loras
var loras embed.FS

// LoRA is the LoRA alone, in the folder loras: for other examples.
func LoRA() fs.FS { return loras }
