// Package matrix embeds an example of a matrix: a workflow of nine pictures for the small model, which is that of
// package castle.
package matrix

import (
	"embed"
	"io/fs"
)

//go:embed matrix.flow.yaml matrix.flow.lock README.md goldens sheet.png
var files embed.FS

// Workflow is the name of the workflow file.
const Workflow = "matrix.flow.yaml"

// Files are the example's files, without the model.
func Files() fs.FS { return files }
