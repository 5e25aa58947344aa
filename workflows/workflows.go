// Package workflows embeds the workflows for the real Stable Diffusion XL: the four steps of the guide "Adapting Stable
// Diffusion XL". They carry no weights; each says where its files come from.
package workflows

import (
	"embed"
	"io/fs"
)

//go:embed *.flow.yaml README.md
var files embed.FS

// Files are the workflow files and their README.
func Files() fs.FS { return files }
