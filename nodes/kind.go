package nodes

import (
	"fmt"
	"sort"
)

// Type is what goes through a port.
type Type string

// Types of ports.
const (
	ModelType          Type = "model"           // live: a loaded or patched model
	ConditioningType   Type = "conditioning"    // stored: prompt embeddings
	LatentsType        Type = "latents"         // stored
	ImageType          Type = "image"           // stored
	ImageEmbeddingType Type = "image-embedding" // stored
)

// Live says that values of the type stay in memory and are known by the digests of their parts.
func (t Type) Live() bool { return t == ModelType }

// Port is a named output of a kind.
type Port struct {
	Name string
	Type Type
	Doc  string
}

// ArgType is the sort of an argument.
type ArgType uint8

// Sorts of arguments.
const (
	IntArg ArgType = iota
	FloatArg
	BoolArg
	StringArg
	SeedArg    // uint64
	EnumArg    // one of Arg.Enum
	PortArg    // a reference to a node's output of type Arg.Port
	WeightsArg // a reference $models.NAME
	FileArg    // a reference $files.NAME
	ObjectArg  // a map with Arg.Fields
	ListArg    // a list of Arg.Item
)

// String names the sort as messages and the schema's documentation do.
func (t ArgType) String() string {
	return [...]string{"whole number", "number", "true or false", "text", "seed", "choice", "reference", "model reference", "file reference", "map", "list"}[t]
}

// Arg describes an argument of a kind, or a field of one.
type Arg struct {
	Name       string
	Doc        string
	Type       ArgType
	Port       Type // of a PortArg
	Required   bool
	Default    any // int64, float64, bool, string or uint64; nil for none
	Min, Max   *float64
	MultipleOf int64
	Enum       []string
	Template   bool // ${params.x} is filled in
	Fields     []Arg
	Item       *Arg
	Shorthand  string // of an ObjectArg: a bare scalar stands for this field
}

// Kind describes a kind of node.
type Kind struct {
	Name    string
	Version int
	Doc     string
	Args    []Arg
	Outputs []Port
	// Void, where a kind has it, lists arguments, each with all below it, that have no effect beside the others: they are not
	// in the action key, so that a workflow without them finds what one with them made.
	Void func(a *Args) []string
	// New makes the operation of one node from its arguments. An error says what is
	// wrong with them beyond what Args can say.
	New func(a *Args) (Op, error)
}

// ID is the name with the version, as action keys and records have it.
func (k *Kind) ID() string { return fmt.Sprintf("%s@%d", k.Name, k.Version) }

// Output finds an output port by name; an empty name finds the only one.
func (k *Kind) Output(name string) (Port, bool) {
	if name == "" && len(k.Outputs) == 1 {
		return k.Outputs[0], true
	}
	for _, p := range k.Outputs {
		if p.Name == name {
			return p, true
		}
	}
	return Port{}, false
}

// Live says that the kind gives live values: its nodes are opened, not run.
func (k *Kind) Live() bool { return len(k.Outputs) > 0 && k.Outputs[0].Type.Live() }

// Registry holds the kinds of a release. It is a value: commands build it.
type Registry struct{ kinds map[string]map[int]*Kind }

// NewRegistry collects kinds; two of one name and version panic.
func NewRegistry(kinds ...*Kind) *Registry {
	r := &Registry{kinds: make(map[string]map[int]*Kind)}
	for _, k := range kinds {
		if r.kinds[k.Name] == nil {
			r.kinds[k.Name] = make(map[int]*Kind)
		}
		if r.kinds[k.Name][k.Version] != nil {
			panic("kind " + k.ID() + " is registered twice")
		}
		r.kinds[k.Name][k.Version] = k
	}
	return r
}

// Kind finds a kind; version 0 stands for 1, the version that a bare name means for ever.
func (r *Registry) Kind(name string, version int) (*Kind, bool) {
	if version == 0 {
		version = 1
	}
	k, ok := r.kinds[name][version]
	return k, ok
}

// Versions lists the versions of a kind, ascending.
func (r *Registry) Versions(name string) []int {
	var out []int
	for v := range r.kinds[name] {
		out = append(out, v)
	}
	sort.Ints(out)
	return out
}

// All lists the kinds by name, then version.
func (r *Registry) All() []*Kind {
	var out []*Kind
	for _, versions := range r.kinds {
		for _, k := range versions {
			out = append(out, k)
		}
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Name != out[j].Name {
			return out[i].Name < out[j].Name
		}
		return out[i].Version < out[j].Version
	})
	return out
}

// Reads is the sort of an argument that names a file: a WeightsArg or a FileArg. Other names give an IntArg.
func (k *Kind) Reads(arg string) ArgType {
	if f := field(k.Args, arg); f != nil {
		return f.Type
	}
	return IntArg
}
