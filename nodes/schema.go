package nodes

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/seed-8af8f8e1/flow/spec"
)

// obj is a JSON object of a schema.
type obj = map[string]any

const (
	textPattern     = `^($|[^$]|\$\$|\$\{)` // no reference: $$ and ${ begin a text
	rootPattern     = `^\$(params|models|files)(\.|$)`
	nodeRefPattern  = `^\$[A-Za-z][A-Za-z0-9_-]{0,63}(\.[A-Za-z][A-Za-z0-9_-]{0,63})?$`
	paramRefPattern = `^\$params\.[A-Za-z][A-Za-z0-9_-]{0,63}$`
	namePattern     = `^[A-Za-z][A-Za-z0-9_-]{0,63}$`
)

// Schema is the JSON schema of workflow files with the registry's kinds. It is flat: if kind is X then its arguments. It
// is of draft 7, the newest that YAML language servers know whole.
func (r *Registry) Schema() ([]byte, error) {
	node := obj{
		"type": "object", "required": []string{"kind"},
		"properties": obj{"kind": obj{"description": "The kind of the node, with @VERSION for another version than 1.", "enum": r.kindNames()}},
		"allOf":      r.branches(),
	}
	named := func(body obj) obj {
		return obj{"type": []string{"object", "null"}, "propertyNames": obj{"pattern": namePattern}, "additionalProperties": body}
	}
	text := func(doc string) obj {
		return obj{"type": []string{"string", "number"}, "pattern": textPattern, "description": doc}
	}
	path := func(doc string) obj { // a path that is read: no template
		return obj{"type": "string", "minLength": 1, "pattern": textPattern, "not": obj{"type": "string", "pattern": `\$\{`}, "description": doc}
	}
	file := func(properties obj) obj { // a map with a path, or the path alone
		o := closed([]string{"path"}, properties)
		o["type"], o["minLength"], o["pattern"], o["not"] = []string{"object", "string"}, 1, textPattern, obj{"type": "string", "pattern": `\$\{`}
		return o
	}
	const where = "A path relative to the workflow's folder or a model root."
	root := closed([]string{"flow", "nodes"}, obj{
		"flow":        obj{"const": spec.Version, "description": "The version of the language."},
		"name":        obj{"type": "string", "pattern": namePattern, "description": "The workflow's name; ${name} in templates."},
		"version":     text("The author's own version; it decides nothing."),
		"description": text("What the workflow draws."),
		"params":      named(paramSchema(text)),
		"models": named(file(obj{"path": path(where), "variant": text("The variant of the weight files, such as fp16."),
			"config": path("A diffusers folder whose configuration and tokenizer describe a single file, which carries none."),
			"source": text("Where the file comes from, for people who lack it; it decides nothing."), "license": text("Its license; it decides nothing.")})),
		"files": named(file(obj{"path": path(where), "source": text("Where the file comes from, for people who lack it."), "license": text("Its license.")})),
		"numerics": obj{"type": []string{"object", "null"}, "additionalProperties": false, "properties": obj{
			"precision": obj{"enum": spec.Precisions, "description": "Of products in the UNet and the text encoders; bf16 by default. fp16 wants device cuda."},
			"device":    obj{"enum": spec.Devices, "description": "Where the workflow runs; cpu by default."},
			"edition":   obj{"enum": spec.Editions, "description": "Whose conventions are followed; diffusers by default."},
			"weights":   obj{"enum": spec.Residences, "description": "Where weights are while they are not read: streamed ones come into memory as they are needed; resident by default. No bit depends on it."},
		}},
		"nodes": obj{"type": "object", "minProperties": 1, "propertyNames": obj{"pattern": namePattern, "not": obj{"enum": []string{"params", "models", "files", "name"}}}, "additionalProperties": node},
		"outputs": named(closed([]string{"from", "path"}, obj{
			"from": nodeRef("What is written: $NODE.image."),
			"path": obj{"type": "string", "minLength": 1, "pattern": textPattern, "examples": []string{"out/${name}-${params.seed}.png"},
				"description": "Where: a .png below the output folder; ${params.x} and ${name} are filled in."},
		})),
		"matrix": matrixSchema(),
		"tests":  named(testSchema(text)),
	})
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["$id"] = "https://github.com/seed-8af8f8e1/flow/schema/flow.v1.schema.json"
	root["title"] = "flow workflow, language " + spec.Version
	data, err := json.MarshalIndent(root, "", "  ")
	return append(data, '\n'), err
}

// matrixSchema is a matrix: lists of values by parameter, with what is left out and what is added.
func matrixSchema() obj {
	value := obj{"type": []string{"string", "number", "boolean"}, "pattern": textPattern}
	points := func(doc string) obj {
		return obj{"type": "array", "minItems": 1, "maxItems": spec.MaxCells, "description": doc,
			"items": obj{"type": "object", "minProperties": 1, "propertyNames": obj{"pattern": namePattern}, "additionalProperties": value}}
	}
	return obj{"type": []string{"object", "null"}, "minProperties": 1, "propertyNames": obj{"pattern": namePattern},
		"description": "Values of parameters, by name, whose every combination is rendered.",
		"properties": obj{
			"exclude": points("Combinations that are left out: of each, the axes that it names have these values."),
			"include": points("Cells beside the combinations; parameters that one does not name have their defaults."),
		},
		"additionalProperties": obj{"type": "array", "minItems": 1, "maxItems": spec.MaxCells, "items": value, "examples": []any{[]int{42, 43, 44}}}}
}

// testSchema is a test: values of parameters, and what is expected of outputs.
func testSchema(text func(string) obj) obj {
	expectation := obj{"golden": obj{"type": "string", "minLength": 1, "pattern": `^([^$]|\$\$).*\.(png|safetensors)$`, "not": obj{"type": "string", "pattern": `^/|\$\{|[\\:]|^\.\.(/|$)`},
		"description": "The file to compare with, below the workflow's folder: .png for a picture, .safetensors for latents. flow test --update writes it."}}
	for _, b := range spec.Bounds {
		o := obj{"type": "number", "description": boundDoc[b.Name]}
		if b.Max > 0 {
			o["minimum"], o["maximum"] = -b.Max, b.Max
		} else {
			o["minimum"] = 0
		}
		expectation[b.Name] = o
	}
	return closed([]string{"expect"}, obj{
		"doc":  text("What the test is for."),
		"tier": obj{"enum": spec.Tiers, "description": "quick tests run by default, slow ones with flow test --tier all."},
		"params": obj{"type": []string{"object", "null"}, "propertyNames": obj{"pattern": namePattern},
			"additionalProperties": obj{"type": []string{"string", "number", "boolean"}, "pattern": textPattern}, "description": "Values of parameters; the others have their defaults."},
		"expect": obj{"type": "object", "minProperties": 1, "description": "What is expected, by NODE.OUTPUT.",
			"propertyNames":        obj{"pattern": `^[A-Za-z][A-Za-z0-9_-]{0,63}(\.[A-Za-z][A-Za-z0-9_-]{0,63})?$`},
			"additionalProperties": closed([]string{"golden"}, expectation)},
	})
}

// boundDoc explains the bounds of tests.
var boundDoc = map[string]string{
	"max-abs": "The greatest difference of two elements; of pictures in steps of 255.",
	"rms":     "The root of the mean square of the differences; of pictures in steps of 255.",
	"cosine":  "The least cosine of the angle between the two.",
	"ssim":    "The least structural similarity (Wang et al., 2004): luma, Gaussian window of 11x11, sigma 1.5, range 255.",
	"psnr":    "The least peak signal-to-noise ratio in dB.",
}

// closed is a map that has no other keys.
func closed(required []string, properties obj) obj {
	o := obj{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		o["required"] = required
	}
	return o
}

// nodeRef is a reference to a node's output.
func nodeRef(doc string) obj {
	o := obj{"type": "string", "pattern": nodeRefPattern, "not": obj{"type": "string", "pattern": rootPattern}, "examples": []string{"$NODE.OUTPUT"}}
	if doc != "" {
		o["description"] = doc
	}
	return o
}

// paramSchema is the declaration of a parameter: if type is X then its default and bounds.
func paramSchema(text func(string) obj) obj {
	whole := obj{"type": "integer", "minimum": json.Number("-9223372036854775808"), "maximum": json.Number("9223372036854775807")}
	seed := obj{"type": "integer", "minimum": 0, "maximum": json.Number("18446744073709551615")}
	number := obj{"type": "number"}
	o := closed([]string{"type"}, obj{
		"type":       obj{"enum": spec.ParamTypes, "description": "The parameter's type."},
		"default":    obj{"description": "Its value where none is given with -p or --params."},
		"min":        obj{"type": "number", "description": "The least value."},
		"max":        obj{"type": "number", "description": "The largest value."},
		"multipleOf": obj{"type": "number", "exclusiveMinimum": 0, "description": "What the value is a multiple of."},
		"enum":       obj{"type": "array", "minItems": 1, "description": "The values that are allowed."},
		"doc":        text("What it is for."),
	})
	var branches []obj
	for _, t := range []struct {
		name           string
		value, bounded any
	}{{"string", obj{"type": []string{"string", "number"}, "pattern": textPattern}, false}, {"int", whole, whole}, {"float", number, number},
		{"bool", obj{"type": "boolean"}, false}, {"seed", seed, false}} {
		branches = append(branches, when("type", []string{t.name}, obj{"properties": obj{"default": t.value, "enum": obj{"items": t.value},
			"min": t.bounded, "max": t.bounded, "multipleOf": t.bounded}}))
	}
	o["allOf"] = branches
	return o
}

// when says what holds where a key has one of some values.
func when(key string, values []string, then obj) obj {
	return obj{"if": obj{"properties": obj{key: obj{"enum": values}}, "required": []string{key}}, "then": then}
}

func (r *Registry) kindNames() []string {
	var out []string
	for _, k := range r.All() {
		if k.Version == 1 {
			out = append(out, k.Name)
		}
		out = append(out, k.ID())
	}
	return out
}

// branches are the arguments of each kind.
func (r *Registry) branches() []obj {
	var out []obj
	for _, k := range r.All() {
		names := []string{k.ID()}
		if k.Version == 1 {
			names = append(names, k.Name)
		}
		properties, required := fieldSchemas(k.Args)
		properties["kind"] = obj{"description": k.Doc}
		then := obj{"properties": properties, "additionalProperties": false}
		if required != nil {
			then["required"] = required
		}
		out = append(out, when("kind", names, then))
	}
	return out
}

func fieldSchemas(fields []Arg) (properties obj, required []string) {
	properties = obj{}
	for i := range fields {
		properties[fields[i].Name] = fields[i].schema()
		if fields[i].Required {
			required = append(required, fields[i].Name)
		}
	}
	return properties, required
}

// schema is one argument. Any scalar may be a reference to a parameter.
func (a *Arg) schema() obj {
	o := obj{}
	if a.Doc != "" {
		o["description"] = a.Doc
	}
	if a.Default != nil {
		o["default"] = a.Default
	}
	number := func(t string) {
		o["type"], o["pattern"] = []string{t, "string"}, paramRefPattern
		if a.Min != nil {
			o["minimum"] = *a.Min
		}
		if a.Max != nil {
			o["maximum"] = *a.Max
		}
		if a.MultipleOf > 0 {
			o["multipleOf"] = a.MultipleOf
		}
	}
	switch a.Type {
	case IntArg:
		number("integer")
	case FloatArg:
		number("number")
	case SeedArg:
		number("integer")
		o["minimum"], o["maximum"] = 0, json.Number("18446744073709551615")
	case BoolArg:
		o["type"], o["pattern"] = []string{"boolean", "string"}, paramRefPattern
	case StringArg:
		o["type"], o["pattern"] = []string{"string", "number"}, textPattern+"|"+paramRefPattern
	case EnumArg:
		var quoted []string
		for _, e := range a.Enum {
			quoted = append(quoted, regexp.QuoteMeta(e))
		}
		o["type"], o["pattern"] = "string", fmt.Sprintf("^(%s)$|%s", strings.Join(quoted, "|"), paramRefPattern)
		o["examples"] = a.Enum
	case PortArg:
		o = nodeRef(a.Doc)
	case WeightsArg:
		o["type"], o["pattern"] = "string", `^\$models\.[A-Za-z][A-Za-z0-9_-]{0,63}$`
	case FileArg:
		o["type"], o["pattern"] = "string", `^\$files\.[A-Za-z][A-Za-z0-9_-]{0,63}$`
	case ListArg:
		o["type"], o["items"] = "array", a.Item.schema()
	case ObjectArg:
		a.objectSchema(o)
	}
	return o
}

// objectSchema is a map, or the scalar that stands for one of its fields.
func (a *Arg) objectSchema(o obj) {
	properties, required := fieldSchemas(a.Fields)
	o["type"], o["properties"], o["additionalProperties"] = "object", properties, false
	if required != nil {
		o["required"] = required
	}
	short := field(a.Fields, a.Shorthand)
	if short == nil {
		return
	}
	s := short.schema()
	types := []string{"object"}
	switch t := s["type"].(type) {
	case string:
		types = append(types, t)
	case []string:
		types = append(types, t...)
	}
	o["type"] = types
	for _, keyword := range []string{"pattern", "minimum", "maximum", "multipleOf"} {
		if v, ok := s[keyword]; ok {
			o[keyword] = v
		}
	}
}
