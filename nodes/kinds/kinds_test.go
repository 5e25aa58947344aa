package kinds

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/schema"
)

// TestKindsAreWhole: each kind can be bound, explained and completed as it describes itself.
func TestKindsAreWhole(t *testing.T) {
	for _, k := range Registry().All() {
		if k.Doc == "" || k.New == nil || len(k.Outputs) == 0 {
			t.Errorf("%s lacks words, outputs or New", k.ID())
		}
		for _, p := range k.Outputs {
			if p.Name == "" || p.Type == "" || p.Doc == "" || p.Type.Live() != k.Live() {
				t.Errorf("%s: output %+v", k.ID(), p)
			}
		}
		checkArgs(t, k.ID(), k.Args)
	}
}

func checkArgs(t *testing.T, where string, args []nodes.Arg) {
	t.Helper()
	seen := make(map[string]bool)
	for i := range args {
		a := &args[i]
		at := where + "." + a.Name
		if a.Name == "" || a.Name == "kind" || strings.Contains(a.Name, ".") || seen[a.Name] {
			t.Errorf("%s: the name is taken or cannot be one", at)
		}
		seen[a.Name] = true
		if a.Doc == "" {
			t.Errorf("%s has no words", at)
		}
		if a.Required && a.Default != nil {
			t.Errorf("%s is required and has a default", at)
		}
		checkDefault(t, at, a)
		if a.Type == nodes.PortArg && a.Port == "" || a.Template && a.Type != nodes.StringArg {
			t.Errorf("%s: %+v", at, a)
		}
		if a.Shorthand != "" && !slices.ContainsFunc(a.Fields, func(f nodes.Arg) bool { return f.Name == a.Shorthand }) {
			t.Errorf("%s stands for no field %q", at, a.Shorthand)
		}
		if (a.Type == nodes.ObjectArg) != (a.Fields != nil) || (a.Type == nodes.ListArg) != (a.Item != nil) || (a.Type == nodes.EnumArg) != (a.Enum != nil) {
			t.Errorf("%s: fields, items or choices do not go with a %s", at, a.Type)
		}
		checkArgs(t, at, a.Fields)
	}
}

// checkDefault demands the Go type that Args gives out, within the bounds.
func checkDefault(t *testing.T, at string, a *nodes.Arg) {
	t.Helper()
	value := math.NaN()
	ok := true
	switch d := a.Default.(type) {
	case nil:
	case int64:
		value, ok = float64(d), a.Type == nodes.IntArg
	case float64:
		value, ok = d, a.Type == nodes.FloatArg
	case uint64:
		ok = a.Type == nodes.SeedArg
	case bool:
		ok = a.Type == nodes.BoolArg
	case string:
		ok = a.Type == nodes.StringArg || a.Type == nodes.EnumArg && slices.Contains(a.Enum, d)
	default:
		ok = false
	}
	if !ok || a.Min != nil && value < *a.Min || a.Max != nil && value > *a.Max {
		t.Errorf("%s: default %T %v", at, a.Default, a.Default)
	}
}

// TestSchemaIsOfTheseKinds: the checked-in schema is what the kinds give; go generate ./schema makes it.
func TestSchemaIsOfTheseKinds(t *testing.T) {
	want, err := Registry().Schema()
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(schema.V1) {
		t.Error("schema/flow.v1.schema.json is old: go generate ./schema")
	}
	var parsed struct {
		Properties struct {
			Nodes struct {
				AdditionalProperties struct {
					AllOf []struct {
						If struct {
							Properties struct{ Kind struct{ Enum []string } }
						}
						Then struct {
							Properties map[string]any
							Required   []string
						}
					}
				}
			}
		}
	}
	if err := json.Unmarshal(want, &parsed); err != nil {
		t.Fatal(err)
	}
	branches := parsed.Properties.Nodes.AdditionalProperties.AllOf
	if len(branches) != len(Registry().All()) {
		t.Fatalf("%d branches", len(branches))
	}
	for i, k := range Registry().All() {
		b := branches[i]
		if !slices.Contains(b.If.Properties.Kind.Enum, k.ID()) || len(b.Then.Properties) != len(k.Args)+1 {
			t.Errorf("%s: %+v", k.ID(), b)
		}
		for _, a := range k.Args {
			if b.Then.Properties[a.Name] == nil || slices.Contains(b.Then.Required, a.Name) != a.Required {
				t.Errorf("%s.%s is not in the schema as it is", k.ID(), a.Name)
			}
		}
	}
}

func TestRegistryFindsVersions(t *testing.T) {
	one, two := &nodes.Kind{Name: "a", Version: 1}, &nodes.Kind{Name: "a", Version: 2}
	r := nodes.NewRegistry(two, one, &nodes.Kind{Name: "b", Version: 1})
	for version, want := range map[int]*nodes.Kind{0: one, 1: one, 2: two} {
		if k, ok := r.Kind("a", version); !ok || k != want {
			t.Errorf("version %d: %v", version, k)
		}
	}
	if _, ok := r.Kind("a", 3); ok || !slices.Equal(r.Versions("a"), []int{1, 2}) || r.Versions("c") != nil {
		t.Errorf("versions %v", r.Versions("a"))
	}
	if all := r.All(); len(all) != 3 || all[0] != one || all[1] != two {
		t.Errorf("%v", all)
	}
	defer func() {
		if recover() == nil {
			t.Error("two kinds of one name and version")
		}
	}()
	nodes.NewRegistry(one, one)
}
