package trail

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// sample is the trail of a run of three nodes, the second with a loop of three steps.
func sample() *Trail {
	return &Trail{Form: 1, Class: "bf16@1", Edition: "diffusers", Release: "devel", Nodes: []Node{
		{Name: "noise", Kind: "noise@1", Key: "k1", Action: json.RawMessage(`{"args":{"seed":42}}`), Outputs: map[string]string{"latents": "d1"}},
		{Name: "latents", Kind: "denoise@1", Key: "k2", Action: json.RawMessage(`{"args":{"guidance":{"scale":5.0},"solver":{"steps":3}},"inputs":["aa"]}`),
			Outputs: map[string]string{"latents": "d2"}, Steps: []string{"s1", "s2", "s3"}},
		{Name: "image", Kind: "decode@1", Key: "k3", Action: json.RawMessage(`{"inputs":["d2"]}`), Outputs: map[string]string{"image": "d3"}},
	}}
}

// TestDiverge names the first node and step that differ, and why.
func TestDiverge(t *testing.T) {
	const engine = ": asked the same, it made something else: the engine changed"
	digest := strings.Repeat("0123456789abcdef", 4)
	for name, tt := range map[string]struct {
		change func(t *Trail)
		want   string
	}{
		"nothing": {func(*Trail) {}, ""},
		"a release alone": {func(t *Trail) {
			t.Release = "v2"
			t.Nodes[1].Key = "other" // a key alone is no difference of what was made
		}, ""},
		"the first step": {func(t *Trail) {
			t.Nodes[1].Outputs["latents"] = "x"
			t.Nodes[1].Steps = []string{"x", "x", "x"}
		}, `node "latents" (denoise@1), step 1 of 3` + engine},
		"a later step": {func(t *Trail) {
			t.Nodes[1].Outputs["latents"], t.Nodes[2].Outputs["image"] = "x", "y"
			t.Nodes[1].Steps = []string{"s1", "s2", "x"}
		}, `node "latents" (denoise@1), step 3 of 3` + engine},
		"after the last step":    {func(t *Trail) { t.Nodes[1].Outputs["latents"] = "x" }, `node "latents" (denoise@1)` + engine},
		"a node without steps":   {func(t *Trail) { t.Nodes[2].Outputs["image"] = "x" }, `node "image" (decode@1)` + engine},
		"the first of two nodes": {func(t *Trail) { t.Nodes[0].Outputs["latents"], t.Nodes[2].Outputs["image"] = "x", "x" }, `node "noise" (noise@1)` + engine},
		"steps not known": {func(t *Trail) {
			t.Nodes[1].Outputs["latents"], t.Nodes[1].Steps = "x", nil
		}, `node "latents" (denoise@1)` + engine},
		"an argument": {func(t *Trail) {
			t.Nodes[1].Outputs["latents"], t.Nodes[1].Steps, t.Nodes[1].Key = "x", []string{"x", "y", "z"}, "other"
			t.Nodes[1].Action = json.RawMessage(`{"args":{"guidance":{"scale":6.0},"solver":{"steps":3}},"inputs":["aa"]}`)
		}, `node "latents" (denoise@1), step 1 of 3: args.guidance.scale: 5.0 -> 6.0`},
		"more steps": {func(t *Trail) {
			t.Nodes[1].Outputs["latents"], t.Nodes[1].Steps, t.Nodes[1].Key = "x", []string{"s1", "s2", "s3", "s4"}, "other"
			t.Nodes[1].Action = json.RawMessage(`{"args":{"guidance":{"scale":5.0},"solver":{"steps":4}},"inputs":["aa"]}`)
		}, `node "latents" (denoise@1), step 4 of 4: args.solver.steps: 3 -> 4`},
		"an argument that is new and one that is gone": {func(t *Trail) {
			t.Nodes[0].Outputs["latents"], t.Nodes[0].Key = "x", "other"
			t.Nodes[0].Action = json.RawMessage(`{"args":{"rng":"torch"}}`)
		}, `node "noise" (noise@1): args.rng: none -> "torch"; args.seed: 42 -> none`},
		"fewer steps": {func(t *Trail) {
			t.Nodes[1].Outputs["latents"], t.Nodes[1].Steps, t.Nodes[1].Key = "x", []string{"s1", "s2"}, "other"
		}, `node "latents" (denoise@1), step 3 of 3: its action has another key`},
		"another input": {func(t *Trail) {
			t.Nodes[2].Outputs["image"], t.Nodes[2].Key = "x", "other"
			t.Nodes[2].Action = json.RawMessage(`{"inputs":["` + digest + `"]}`)
		}, `node "image" (decode@1): inputs.0: "d2" -> 0123456789ab`},
		"another key alone": {func(t *Trail) { t.Nodes[0].Outputs["latents"], t.Nodes[0].Key = "x", "other" }, `node "noise" (noise@1): its action has another key`},
		"another name":      {func(t *Trail) { t.Nodes[0].Name = "grain" }, ""},
		"a new node": {func(t *Trail) {
			t.Nodes[0].Name, t.Nodes[0].Outputs["latents"] = "grain", "x"
		}, `node "grain" (noise@1): it is new`},
		"the end of a long text": {func(t *Trail) {
			t.Nodes[0].Outputs["latents"], t.Nodes[0].Key = "x", "other"
			t.Nodes[0].Action = json.RawMessage(`{"args":{"seed":42,"text":"` + strings.Repeat("w", 200) + ` sea"}}`)
		}, `node "noise" (noise@1): args.text: none -> "` + strings.Repeat("w", 59) + "…"},
		"numbers in their forms": {func(t *Trail) {
			t.Nodes[0].Outputs["latents"], t.Nodes[0].Key = "x", "other"
			t.Nodes[0].Action = json.RawMessage(`{"args":{"seed":"u64:7","scale":"f64:4014000000000000","big":"u64:x"}}`)
		}, `node "noise" (noise@1): args.big: none -> "u64:x"; args.scale: none -> 5; args.seed: 42 -> 7`},
		"a node is gone": {func(t *Trail) { t.Nodes = t.Nodes[:2] }, `node "image" (decode@1): it is gone`},
		"what a terminal obeys": {func(t *Trail) {
			t.Nodes[0].Outputs["latents"], t.Nodes[0].Key = "x", "other"
			t.Nodes[0].Action = json.RawMessage(`{"args":{"seed":"\u001b[31m` + strings.Repeat("w", 200) + `"}}`)
		}, `node "noise" (noise@1): args.seed: 42 -> "\x1b[31m` + strings.Repeat("w", 60-9) + "…"},
	} {
		now := sample()
		tt.change(now)
		got := ""
		if d := Diverge(sample(), now); d != nil {
			got = d.String()
		}
		if got != tt.want {
			t.Errorf("%s: %s\nwant %s", name, got, tt.want)
		}
	}
}

// TestLongTexts are shown from where they differ.
func TestLongTexts(t *testing.T) {
	long := strings.Repeat("castle ", 40)
	a, b := sample(), sample()
	for tr, end := range map[*Trail]string{a: "by the sea", b: "by the lake"} {
		tr.Nodes[0].Action = json.RawMessage(`{"args":{"prompt":"` + long + end + `"}}`)
	}
	b.Nodes[0].Key, b.Nodes[0].Outputs["latents"] = "other", "x"
	if got := Diverge(a, b).String(); got != `node "noise" (noise@1): args.prompt: …le by the sea" -> …le by the lake"` {
		t.Error(got)
	}
}

func TestWriteAndRead(t *testing.T) {
	var b bytes.Buffer
	if err := sample().Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	back, err := Read(strings.NewReader(text))
	if err != nil || back.Nodes[1].Steps[2] != "s3" || Diverge(sample(), back) != nil {
		t.Errorf("%v, %+v", err, back)
	}
	within, err := Read(strings.NewReader(`{"flow-golden": 1, "trail": ` + text + `}`))
	if err != nil || !reflect.DeepEqual(within, back) {
		t.Errorf("in a sidecar: %v, %+v", err, within)
	}
	for _, bad := range []string{"", "[]", "{}", `{"flow-trail": 2}`, `{"trail": {}}`, `{"flow-trail": "1"}`} {
		if _, err := Read(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "no trail of a run") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := Read(endless{}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
}

// endless is a file without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestUpstream keeps what a node's result comes from, by what it reads and what its model inherits.
func TestUpstream(t *testing.T) {
	step := func(name string, in ...*plan.Step) *plan.Step {
		s := &plan.Step{Name: name}
		for _, from := range in {
			s.Inputs = append(s.Inputs, plan.Input{From: from})
		}
		return s
	}
	noise, text, tokens := step("noise"), step("text"), step("tokens")
	latents := step("latents", noise, text)
	latents.Inherited = append(latents.Inherited, plan.Input{From: tokens})
	image, other := step("image", latents), step("other", noise)
	p := &plan.Plan{Steps: []*plan.Step{noise, text, tokens, latents, image, other}}
	all := &Trail{Class: "bf16@1"}
	for _, s := range p.Steps {
		all.Nodes = append(all.Nodes, Node{Name: s.Name})
	}
	for node, want := range map[string]string{"noise": "noise", "latents": "noise text tokens latents", "image": "noise text tokens latents image", "other": "noise other"} {
		var names []string
		up := all.Upstream(p, node)
		for _, n := range up.Nodes {
			names = append(names, n.Name)
		}
		if got := strings.Join(names, " "); got != want || up.Class != "bf16@1" {
			t.Errorf("%s comes from %q, want %q", node, got, want)
		}
	}
	if len(all.Nodes) != 6 || all.Node("text") == nil || all.Node("nobody") != nil {
		t.Error("the trail was changed, or its nodes are not found")
	}
}

// TestOldGoldens: sidecars in the repository are read, so that goldens outlive a release.
func TestOldGoldens(t *testing.T) {
	f, err := os.Open("../../examples/castle/goldens/castle.png.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	tr, err := Read(f)
	if err != nil || tr.Node("latents") == nil || len(tr.Node("latents").Steps) != 4 || tr.Class != "bf16@1" {
		t.Errorf("%v, %+v", err, tr)
	}
}
