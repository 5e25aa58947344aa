// Package schema holds the JSON schema of workflow files, for editors, and checks
// documents against it. The schema is generated from the registry of kinds.
package schema

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/seed-8af8f8e1/flow/spec"
)

//go:generate go run ../internal/tools/schema flow.v1.schema.json

// V1 is the schema of language v1.
//
//go:embed flow.v1.schema.json
var V1 []byte

var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	const name = "flow.v1.schema.json"
	if err := c.AddResource(name, bytes.NewReader(V1)); err != nil {
		return nil, err
	}
	return c.Compile(name)
})

// Validate holds a document against the schema. Files that the language's own reader accepts pass; what
// the schema alone refuses is reported with code F0999.
func Validate(doc *spec.Document) []spec.Diagnostic {
	s, err := compiled()
	if err != nil {
		return []spec.Diagnostic{{File: doc.File, Code: "F0999", Message: fmt.Sprintf("the schema is damaged: %v", err)}}
	}
	err = s.Validate(doc.Root.JSON())
	if err == nil {
		return nil
	}
	v, ok := err.(*jsonschema.ValidationError)
	if !ok {
		return []spec.Diagnostic{{File: doc.File, Code: "F0999", Message: err.Error()}}
	}
	var out []spec.Diagnostic
	for _, leaf := range leaves(v, nil) {
		d := spec.Diagnostic{File: doc.File, Code: "F0999", Message: "schema: " + leaf.Message}
		if at := doc.Root.Locate(leaf.InstanceLocation); at != nil {
			d.Pos = at.Pos
		}
		if leaf.InstanceLocation != "" {
			d.Hint = "at " + strings.TrimPrefix(leaf.InstanceLocation, "/")
		}
		out = append(out, d)
	}
	return spec.Sort(out)
}

// leaves are the errors without further causes.
func leaves(v *jsonschema.ValidationError, list []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(v.Causes) == 0 {
		return append(list, v)
	}
	for _, c := range v.Causes {
		list = leaves(c, list)
	}
	return list
}
