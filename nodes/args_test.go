package nodes

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/gowebpki/jcs"
)

func canonical(t *testing.T, a *Args) string {
	t.Helper()
	raw, err := json.Marshal(a.Canonical())
	if err != nil {
		t.Fatal(err)
	}
	out, err := jcs.Transform(raw)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestCanonical(t *testing.T) {
	a := &Args{values: map[string]any{"i": int64(3), "big": int64(1<<53 + 1), "f": 0.1, "b": true, "s": "é<&>\u2028", "u": uint64(math.MaxUint64), "w": File{Name: "m", Path: "/a"}},
		lists: map[string]int{"list": 2}}
	want := `{"b":true,"big":"i64:9007199254740993","f":"f64:3fb999999999999a","i":3,"list.#":2,"s":"é<&>` + "\u2028" + `","u":"u64:18446744073709551615"}`
	if got := canonical(t, a); got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
}

// TestCanonicalTellsValuesApart down to the last bit.
func TestCanonicalTellsValuesApart(t *testing.T) {
	seen := make(map[string]any)
	negativeZero := math.Copysign(0, -1)
	for _, v := range []any{int64(0), int64(1), int64(-1), int64(1 << 53), int64(1<<53 + 1), int64(1<<53 + 2), int64(-(1 << 53) - 1), int64(math.MaxInt64), int64(math.MaxInt64 - 1), int64(math.MinInt64),
		0.0, negativeZero, 1.0, math.Nextafter(1, 2), 0.1, 0.1 + 1e-17*2, math.SmallestNonzeroFloat64, math.MaxFloat64,
		uint64(0), uint64(1 << 53), uint64(1<<53 + 1), uint64(math.MaxUint64), true, false, "", "a", "A", "a ", "ä", "a\u0308"} {
		key := canonical(t, NewArgs(map[string]any{"x": v}))
		if other, ok := seen[key]; ok && other != v {
			t.Errorf("%v and %v are both %s", v, other, key)
		}
		seen[key] = v
	}
	if len(seen) != 30 {
		t.Errorf("%d forms", len(seen))
	}
	empty := &Args{lists: map[string]int{"l": 0}}
	if canonical(t, empty) == canonical(t, NewArgs(nil)) {
		t.Error("an empty list and none are the same")
	}
}

// TestCanonicalLeavesPathsOut since files enter a key by their content.
func TestCanonicalLeavesPathsOut(t *testing.T) {
	a, b := NewArgs(map[string]any{"w": File{Name: "m", Path: "/a"}}), NewArgs(map[string]any{"w": File{Name: "n", Path: "/b", Variant: "fp16"}})
	if canonical(t, a) != canonical(t, b) {
		t.Error("the place of a file is in the key")
	}
}

// TestVoid leaves arguments without effect out of actions, with all below them and nothing beside them.
func TestVoid(t *testing.T) {
	a := NewArgs(map[string]any{"g": 1.0, "g.off": 0.0, "g.off.more": true, "g.offer": true})
	k := &Kind{}
	if got := k.Action(a); len(got) != 4 {
		t.Errorf("nothing is void: %v", got)
	}
	k.Void = func(a *Args) []string {
		if a.Float("g.off") == 0 {
			return []string{"g.off"}
		}
		return nil
	}
	if got := k.Action(a); len(got) != 2 || got["g"] == nil || got["g.offer"] != true {
		t.Errorf("without g.off: %v", got)
	}
	if got := a.Canonical(); len(got) != 4 {
		t.Errorf("the arguments themselves are changed: %v", got)
	}
}
