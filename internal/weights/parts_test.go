package weights

import (
	"encoding/json"
	"testing"
)

// A component's parts change one by one, and a memo tells what each was made of when the files are gone.
func TestParts(t *testing.T) {
	memo := newMapMemo()
	open := func(value byte, eps string) []Part {
		t.Helper()
		dir := t.TempDir()
		writeTensors(t, dir+"/a.safetensors", []stored{{"w", "U8", []int{2}, []byte{1, 2}}, {"b", "U8", []int{1}, []byte{value}}}, nil)
		f, err := OpenFile(dir + "/a.safetensors")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		c, err := Collect("toy", f, map[string]string{"w": "w", "b": "b"})
		if err != nil {
			t.Fatal(err)
		}
		docs := []Document{{"config", []byte(`{"eps":` + eps + `,"deep":{"n":[1,2]}}`)}, {"merges.txt", []byte("a b")}}
		if got := c.Parts(memo, docs...); len(got) != 2 {
			t.Errorf("before the tensors are hashed there are the parts %v", got)
		}
		if _, err := c.Digest(t.Context(), memo, docs...); err != nil {
			t.Fatal(err)
		}
		return c.Parts(memo, docs...)
	}
	a, b := open(3, "1e-5"), open(4, "1e-6")
	if len(a) != 3 || len(b) != 3 || a[0].What != "weights" || a[1].What != "config" || a[2] != b[2] || a[0] == b[0] || a[1] == b[1] {
		t.Fatalf("%v\n%v", a, b)
	}
	of := func(p Part) (out map[string]string) {
		val, _ := memo.Get(MadeOfKey(p.Digest))
		_ = json.Unmarshal(val, &out)
		return out
	}
	if x, y := of(a[0]), of(b[0]); len(x) != 2 || x["w"] == "" || x["w"] != y["w"] || x["b"] == y["b"] {
		t.Errorf("tensors %v and %v", x, y)
	}
	if x, y := of(a[1]), of(b[1]); len(x) != 2 || x["eps"] != "1e-5" || y["eps"] != "1e-6" || x["deep.n"] != "[1,2]" {
		t.Errorf("fields %v and %v", x, y)
	}
	if x := of(a[2]); x != nil {
		t.Errorf("a text has the fields %v", x)
	}
}
