// Package imageprompt embeds an example of a picture as a prompt: a workflow, a small IP-Adapter with its image encoder,
// and the picture. The model is that of package castle.
package imageprompt

import (
	"embed"
	"io/fs"
)

//go:embed image-prompt.flow.yaml image-prompt.flow.lock README.md goldens image-prompt.png reference.png all:ip-adapter
var files embed.FS

// Workflow is the name of the workflow file.
const Workflow = "image-prompt.flow.yaml"

// Files are the example's files, without the model.
func Files() fs.FS { return files }

//go:embed reference.png all:ip-adapter
var adapter embed.FS

// Adapter is the IP-Adapter with its image encoder and the picture: for other examples.
func Adapter() fs.FS { return adapter }
