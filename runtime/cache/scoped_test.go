package cache

import (
	"errors"
	"testing"
)

// TestScoped: what one scope made another has not, though both lie in one store.
func TestScoped(t *testing.T) {
	behind := NewMemory()
	a, again, b := Scoped(behind, "a"), Scoped(behind, "a"), Scoped(behind, "b")
	key := ActionKey{1}
	rec := Record{Key: key, Action: []byte(`{"x":1}`), Meta: map[string]string{"node": "n"}}
	made, err := a.Put(t.Context(), rec, []NewBlob{{Output: Output{Port: "image", Media: "png"}, Data: []byte("picture")}})
	if err != nil || made.Key != key {
		t.Fatal(made, err)
	}
	got, err := again.Get(key)
	if err != nil || got.Key != key || got.Meta["node"] != "n" || got.Meta[ScopeMeta] != "a" {
		t.Fatal(got, err)
	}
	if data, err := b.Read(got.Outputs[0].Blob); err != nil || string(data) != "picture" {
		t.Error("blobs are not shared", err)
	}
	for name, s := range map[string]Store{"another scope": b, "the store itself": behind} {
		var miss *Miss
		if _, err := s.Get(key); !errors.As(err, &miss) || miss.Reason != NeverRun {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := 0
	for range a.Records() {
		n++
	}
	for range b.Records() {
		n += 10
	}
	if n != 1 {
		t.Errorf("records: %d", n)
	}
	if len(rec.Meta) != 1 {
		t.Error("the caller's record was changed")
	}
}
