// Package pixelart embeds an example of two LoRAs with scales: a workflow and a LoRA of 0.7 MB for the small model. The
// model is that of package castle, the other LoRA that of package scifi.
package pixelart

import (
	"embed"
	"io/fs"
)

//go:embed pixel-art.flow.yaml pixel-art.flow.lock README.md goldens pixel-art.png loras
var files embed.FS

// Workflow is the name of the workflow file.
const Workflow = "pixel-art.flow.yaml"

// Files are the example's files, without the model and the other LoRA.
func Files() fs.FS { return files }

//go:embed loras
var loras embed.FS

// LoRA is the LoRA alone: for other examples.
func LoRA() fs.FS { return loras }
