package why_test

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
	"github.com/seed-8af8f8e1/flow/runtime/why"
	"github.com/seed-8af8f8e1/flow/spec"
)

const examples = "../../examples"

// desk is the guide's last workflow with a store. A file in its folder counts more than that of the examples.
type desk struct {
	*testing.T
	dir   string
	store cache.Store
	text  string // of the workflow with two LoRAs and an image prompt
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examples, "guide", "4-image-prompt.flow.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return &desk{T: t, dir: t.TempDir(), store: cache.NewMemory(), text: string(text)}
}

// read plans the workflow with a text replaced, which has to be there.
func (d *desk) read(old, new string, set func(*flowruntime.Options), params ...string) *flowruntime.Workflow {
	d.Helper()
	if !strings.Contains(d.text, old) {
		d.Fatalf("the workflow has no %q", old)
	}
	find := &plan.Finder{Folder: d.dir}
	for _, name := range []string{"castle", "sci-fi", "pixel-art", "image-prompt"} {
		root, err := filepath.Abs(filepath.Join(examples, name))
		if err != nil {
			d.Fatal(err)
		}
		find.Roots = append(find.Roots, root)
	}
	opt := flowruntime.Options{Options: plan.Options{Registry: kinds.Registry(), Files: find}, Env: nodes.Env{Executor: cpu.New()}, Store: d.store}
	for _, p := range params {
		o, problem := spec.ParseOverride(p)
		if problem != nil {
			d.Fatal(problem)
		}
		opt.Overrides = append(opt.Overrides, o)
	}
	if set != nil {
		set(&opt)
	}
	doc, diags := spec.Parse("g.flow.yaml", []byte(strings.Replace(d.text, old, new, 1)))
	w, diags := flowruntime.ReadDocument(d.Context(), doc, diags, opt)
	if w == nil {
		d.Fatal(diags)
	}
	d.Cleanup(w.Close)
	for _, s := range w.Plan.Steps {
		live := s.LiveInputs()
		for _, use := range s.Plan.Uses {
			for _, c := range use.Components {
				if _, err := live[use.Input].Digest(d.Context(), c, cache.Memos(d.store)); err != nil {
					d.Fatal(err)
				}
			}
		}
	}
	return w
}

// pretend puts a record for each step, as a run would, whose outputs are made up of the action and salt.
func (d *desk) pretend(w *flowruntime.Workflow, salt string, made time.Time) {
	d.Helper()
	for range w.Plan.Steps { // each pass knows the inputs of one more step
		for _, row := range w.Explain() {
			if row.State != sched.WouldRun {
				continue
			}
			trace, err := json.Marshal(row.Step.Trace(cache.Memos(d.store)))
			if err != nil {
				d.Fatal(err)
			}
			rec := cache.Record{Key: *row.Key, Action: row.Action, Created: made, Meta: map[string]string{"node": row.Step.Name, sched.TraceMeta: string(trace)}}
			var blobs []cache.NewBlob
			for _, o := range row.Step.Kind.Outputs {
				data := []byte(salt + o.Name + row.Key.String())
				blobs = append(blobs, cache.NewBlob{Output: cache.Output{Port: o.Name, Digest: sha256.Sum256(data), Media: "x"}, Data: data})
			}
			if _, err := d.store.Put(d.Context(), rec, blobs); err != nil {
				d.Fatal(err)
			}
		}
	}
}

// tell explains a node: its differences, a line each.
func (d *desk) tell(w *flowruntime.Workflow, node string, past []*why.Kept) (string, *why.Answer) {
	d.Helper()
	e := why.New(w.Plan, w.Explain(), cache.Memos(d.store), past)
	for _, s := range w.Plan.Steps {
		if s.Name == node {
			a := e.Explain(s)
			var lines []string
			for _, x := range a.Differences {
				lines = append(lines, x.Tree(func(string) bool { return false })...)
			}
			return strings.Join(lines, "\n"), a
		}
	}
	d.Fatalf("no node %q", node)
	return "", nil
}

// Each change of the file, of a parameter or of the command line is told with its place; what reaches a node through others is followed.
func TestDifferences(t *testing.T) {
	d := newDesk(t)
	d.pretend(d.read("", "", nil), "", time.Unix(1000, 0))
	flag := func(precision, edition string) func(*flowruntime.Options) {
		return func(o *flowruntime.Options) { o.Precision, o.Edition = precision, edition }
	}
	for name, c := range map[string]struct {
		old, new string
		set      func(*flowruntime.Options)
		params   []string
		node     string
		want     string
	}{
		"nothing":           {node: "latents", want: ""},
		"a parameter":       {params: []string{"seed=43"}, node: "noise", want: `argument seed: 42 -> 43, line 35 (-p seed)`},
		"its default":       {old: "type: seed, default: 42", new: "type: seed, default: 44", node: "noise", want: `argument seed: 42 -> 44, line 11`},
		"a template":        {params: []string{"prompt=a house"}, node: "text", want: `argument prompt: "a futuristic castle surrounded by a forest, mountains in th… -> "a house, best quality, high quality", line 33 (-p prompt)`},
		"left out":          {old: "solver: {name: ddim, steps: $params.steps}", new: "solver: $params.steps", node: "latents", want: ``},
		"through inputs":    {params: []string{"seed=43"}, node: "image", want: "input latents, line 43, because latents differs\n  input latents, line 39, because noise differs\n    argument seed: 42 -> 43, line 35 (-p seed)"},
		"through models":    {old: "scale: 0.6", new: "scale: 0.5", node: "latents", want: "model.unet differs, line 38\n  argument scale of scifi: 0.6 -> 0.5, line 26\ninput conditioning, line 40, because text differs\n  model.text_encoder differs, line 32\n    argument scale of scifi: 0.6 -> 0.5, line 26\n  model.text_encoder_2 differs, line 32\n    argument scale of scifi: 0.6 -> 0.5, line 26"},
		"not through":       {old: "weights: $models.pixel, scale: 1.0", new: "weights: $models.pixel, scale: 1.5", node: "text", want: ""},
		"a node less":       {old: "model: $scifi.model, weights: $models.pixel", new: "model: $base.model, weights: $models.pixel", node: "text", want: "model.text_encoder differs, line 32\n  node scifi: add-lora -> none\nmodel.text_encoder_2 differs, line 32\n  node scifi: add-lora -> none"},
		"precision":         {set: flag("fp32", ""), node: "text", want: "numerics: bf16@1 -> fp32@1, line 23 (--precision)"},
		"edition":           {old: "edition: diffusers", new: "edition: refiners", node: "image", want: "edition: diffusers -> refiners, line 23\ninput latents, line 43, because latents differs\n  edition: diffusers -> refiners, line 23\n  input conditioning, line 40, because text differs\n    edition: diffusers -> refiners, line 23\n  input model.ip_adapter.0, line 36, because tokens differs\n    edition: diffusers -> refiners, line 23"},
		"an image's weight": {old: "weight: 1.0", new: "weight: 0.5", node: "latents", want: "model.ip_adapter differs, line 38\n  argument images.0.weight of adapted: 1 -> 0.5, line 29"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := d.tell(d.read(c.old, c.new, c.set, c.params...), c.node, why.Past(d.store)); got != c.want {
				t.Errorf("%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// copyFile puts one of the examples' files into the desk's folder, changed.
func (d *desk) copyFile(from, to string, change func([]byte) []byte) {
	d.Helper()
	data, err := os.ReadFile(filepath.Join(examples, filepath.FromSlash(from)))
	if err != nil {
		d.Fatal(err)
	}
	to = filepath.Join(d.dir, filepath.FromSlash(to))
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(to, change(data), 0o666); err != nil {
		d.Fatal(err)
	}
}

// flip changes one bit of a byte, counted from the end.
func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[len(b)-1-at] ^= 1; return b }
}

// Of files it is told which, and of weights which tensors; without what was remembered, their digests.
func TestFiles(t *testing.T) {
	d := newDesk(t)
	d.pretend(d.read("", "", nil), "", time.Unix(1000, 0))
	d.copyFile("image-prompt/reference.png", "reference.png", flip(100))
	d.copyFile("sci-fi/loras/sci-fi.safetensors", "loras/sci-fi.safetensors", flip(0))
	w := d.read("", "", nil)
	for node, want := range map[string]string{
		"tokens":  `^content of file reference \(reference.png\): [0-9a-f]{12} -> [0-9a-f]{12}, line 22$`,
		"latents": `^model.unet differs, line 38\n  weights of scifi \(loras/sci-fi.safetensors\): 1 of [0-9]+ tensors, up_blocks[^ ]*, line 17\n(.*\n)*input model.ip_adapter.0, line 36, because tokens differs\n  content of file`,
	} {
		if got, _ := d.tell(w, node, why.Past(d.store)); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: %s\nwant %s", node, got, want)
		}
	}
	past := why.Past(d.store)
	d.store = cache.NewMemory()
	got, _ := d.tell(d.read("", "", nil), "latents", past)
	if want := `weights of scifi \(loras/sci-fi.safetensors\): [0-9a-f]{12} -> [0-9a-f]{12}, line 17\n`; !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, k := range past {
		k.Trace = nil
	}
	got, _ = d.tell(d.read("", "", nil), "latents", past)
	if want := `^model.unet: [0-9a-f]{12} -> [0-9a-f]{12} \(of what it was made then is not known\), line 38\n`; !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// Versions of kinds and of keys are differences too.
func TestVersions(t *testing.T) {
	d := newDesk(t)
	w := d.read("", "", nil)
	d.pretend(w, "", time.Unix(1000, 0))
	past := why.Past(d.store)
	for _, k := range past {
		k.Action.Kind, k.Action.Version = strings.Replace(k.Action.Kind, "@1", "@7", 1), 1
	}
	want := "what keys are made of, version 1 -> 2: another release of flow\nkind: noise@7 -> noise@1, line 35"
	if got, _ := d.tell(w, "noise", past); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// The nearest action has the fewest differences; then one whose inputs the same nodes made, the same name, and the last made count.
func TestNearest(t *testing.T) {
	d := newDesk(t)
	d.pretend(d.read("", "", nil, "seed=1", "steps=3"), "", time.Unix(1000, 0))
	d.pretend(d.read("", "", nil, "seed=2", "steps=4"), "", time.Unix(2000, 0))
	d.pretend(d.read("", "", nil, "seed=3", "prompt=a dog"), "", time.Unix(3000, 0))
	for _, c := range []struct {
		params []string
		node   string
		made   int64
	}{
		{[]string{"seed=5"}, "noise", 3000},
		{[]string{"seed=5", "steps=3"}, "latents", 1000},
		{[]string{"seed=5", "steps=4"}, "latents", 2000},
		{[]string{"seed=2", "steps=4", "prompt=a dog"}, "latents", 2000},
	} {
		w := d.read("", "", nil, c.params...)
		_, a := d.tell(w, c.node, why.Past(d.store))
		if a.Nearest == nil || a.Nearest.Made.Unix() != c.made {
			t.Errorf("%v: nearest to %s is %+v, want that of %d", c.params, c.node, a.Nearest, c.made)
		}
	}
}

// After gc the tombstones tell the same.
func TestEvicted(t *testing.T) {
	now := time.Unix(1000, 0)
	disk, err := cache.Open(t.TempDir(), cache.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = disk.Close() }()
	d := newDesk(t)
	d.store = disk
	d.pretend(d.read("", "", nil), "", now)
	changed := func() *flowruntime.Workflow { return d.read("scale: 0.6", "scale: 0.5", nil, "seed=43") }
	want, _ := d.tell(changed(), "latents", why.Past(d.store))
	if !strings.Contains(want, "argument scale of scifi: 0.6 -> 0.5") || !strings.Contains(want, "argument seed: 42 -> 43") {
		t.Fatal(want)
	}
	if err := disk.Release(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(48 * time.Hour)
	if r, err := disk.GC(t.Context(), cache.GCOptions{MaxAge: time.Hour}); err != nil || len(r.Removed) < 5 {
		t.Fatal(r, err)
	}
	got, a := d.tell(changed(), "latents", why.Past(d.store))
	if got != want+"\ninput model.ip_adapter.0: tokens does what it did, and is not done yet, line 36" || a.Nearest.Evicted.IsZero() {
		t.Errorf("%s\nbefore the eviction\n%s", got, want)
	}
	got, _ = d.tell(d.read("", "", nil), "image", why.Past(d.store))
	if got != "input latents: latents does what it did, and is not done yet, line 43" {
		t.Error(got)
	}
}

// The record of another run tells no outputs: inputs are followed by the names of nodes.
func TestAnotherRun(t *testing.T) {
	d := newDesk(t)
	d.pretend(d.read("", "", nil), "", time.Unix(1000, 0))
	past := why.Past(d.store)
	for _, k := range past {
		k.Outputs, k.Source, k.Made = nil, "colleague.png", time.Time{}
	}
	mine := newDesk(t)
	got, _ := mine.tell(mine.read("", "", nil, "seed=43"), "image", past)
	if want := "argument seed: 42 -> 43, line 35 (-p seed)"; !strings.Contains(got, want) || strings.Contains(got, "prompt") {
		t.Errorf("%s\nwant %s", got, want)
	}
	// here the inputs are known, and were made by other actions
	mine.pretend(mine.read("", "", nil, "seed=43"), "mine", time.Unix(2000, 0))
	got, a := mine.tell(mine.read("", "", nil, "seed=43"), "latents", past)
	if want := "input latents, line 39, because noise differs\n  argument seed: 42 -> 43, line 35 (-p seed)"; !strings.Contains(got, want) || a.Row.State != sched.WouldHit {
		t.Errorf("%s: %s\nwant %s", a.Row.State, got, want)
	}
}

// A plan's reason is the first difference, and the row's own reason where there is none.
func TestReason(t *testing.T) {
	d := newDesk(t)
	reason := func(node string, params ...string) string {
		t.Helper()
		_, a := d.tell(d.read("", "", nil, params...), node, why.Recent(d.store, 100))
		return a.Reason()
	}
	if got := reason("noise"); got != "never run" {
		t.Error(got)
	}
	d.pretend(d.read("", "", nil), "", time.Unix(1000, 0))
	if got := reason("noise"); !strings.HasPrefix(got, "made ") {
		t.Error(got)
	}
	if got := reason("noise", "seed=43", "size=64"); got != "argument height: 128 -> 64, line 35 (-p size) and 2 more" {
		t.Error(got)
	}
	if got := reason("image", "seed=43"); got != "reads latents, which is not known yet" {
		t.Error(got)
	}
}
