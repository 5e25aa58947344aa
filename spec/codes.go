package spec

// Code is one sort of diagnostic.
type Code struct {
	ID, Title, Explanation string
}

// Codes lists every sort of diagnostic, as docs/language.md does.
var Codes = []Code{
	{"F0101", "file cannot be read", "The workflow file is missing, is no regular file, or cannot be opened."},
	{"F0102", "not a workflow's text", "The file is too large, is not UTF-8, or holds NUL bytes: it is not a workflow."},
	{"F0103", "YAML syntax", "The text is not YAML."},
	{"F0104", "YAML that workflows do not use", "Tags, merge keys, several documents, keys that are no text, deep nesting and aliases that expand without end are refused, so that a file means one thing."},
	{"F0105", "duplicate key", "A map has a key twice. YAML readers differ in which one counts."},
	{"F0106", "unknown key", "The language has no such key here."},
	{"F0107", "missing key", "A required key is absent."},
	{"F0108", "unknown language version", "The file asks for a version of the language that this release does not know."},
	{"F0109", "name", "Names begin with a letter and go on with letters, digits, - and _; params, models, files and name are reserved."},
	{"F0201", "malformed reference or template", "A reference is $node.output, $params.x, $models.x or $files.x, alone; a template is ${params.x} or ${name}. A literal $ at the beginning is written $$."},
	{"F0202", "unknown reference", "The file declares no node, parameter, model or file of that name."},
	{"F0203", "unknown output", "The node's kind has no output of that name, or has several and none is named."},
	{"F0204", "type of a reference", "The value that is referred to has another type than the argument takes."},
	{"F0205", "reference out of place", "A reference stands where a value is wanted, or a value where a reference is."},
	{"F0301", "type of a value", "The value has another type than is wanted here."},
	{"F0302", "value out of range", "The value is of the right type and not allowed."},
	{"F0401", "unknown kind", "This release has no such kind of node, or not that version of it."},
	{"F0402", "argument of a node", "The kind's own check refuses the arguments together."},
	{"F0403", "node cannot be planned", "The node's inputs do not fit it: shapes, files or a model's configuration."},
	{"F0501", "cycle", "Nodes depend on each other in a circle."},
	{"F0601", "output path", "A path that is written must lie below the output folder and is unlike all others."},
	{"F0602", "input path", "A file that is read must exist and lie in the workflow's folder or an allowed one."},
	{"F0603", "no outputs", "The workflow writes nothing."},
	{"F0604", "unused", "A node, parameter, model or file is declared and nothing uses it."},
	{"F0701", "parameter", "A parameter's declaration contradicts itself."},
	{"F0702", "unknown parameter", "A value was given for a parameter that the workflow does not declare."},
	{"F0703", "test", "A test's tier, golden or bounds are not allowed: a golden is a .png or .safetensors file of its own below the workflow's folder."},
	{"F0704", "matrix", "An axis, an exclude or an include does not fit the others: a value or a cell twice, a value that its axis lacks, no cell left, or too many."},
	{"F0705", "no such cell", "What --cell names is no cell of the workflow's matrix."},
	{"F0801", "numerics", "precision is fp32, bf16 or, on device cuda, fp16; device is cpu, cuda or auto; edition is diffusers or refiners; weights are resident or streamed."},
	{"F0802", "lock", "What a workflow reads differs from what its lock pins, or the lock cannot be read."},
	{"F0999", "schema", "The file does not match the language's JSON schema."},
}
