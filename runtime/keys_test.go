package runtime_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
	"github.com/seed-8af8f8e1/flow/spec"
)

// mutation is one change of a workflow or of what it reads. Mutations of one place - an argument, a field, a tensor - are judged together: what is there
// decides a node's key as a whole, and changes what the node makes by some of them at least.
type mutation struct {
	place, what string
	text        string            // of the workflow; empty for the unchanged one
	files       map[string][]byte // that are others
	set         func(*flowruntime.Options)
	spare       bool // it is for a place of which the mutations before it changed a key, and nothing that was made
}

// made is what a run came to for a node.
type made struct {
	key    cache.ActionKey
	output string            // digests of all ports; empty where the node failed
	inputs map[string]string // outputs of the nodes that it waits for, by argument
}

// trial is a mutation with what came of it; nodes is nil where the workflow was refused before it ran.
type trial struct {
	mutation
	nodes map[string]made
	left  bool // it was spare, and not needed
}

// run renders a workflow in a folder with nothing cached, and gives what became of each stored node; nil where it is refused.
func run(t testing.TB, dir, text string, set func(*flowruntime.Options)) map[string]made {
	opt := flowruntime.Options{Options: plan.Options{Registry: kinds.Registry(), Files: &plan.Finder{Folder: dir}},
		Env: nodes.Env{Executor: cpu.New(), Threads: 1}, Store: cache.NewMemory(), Sink: event.Discard}
	if set != nil {
		set(&opt)
	}
	doc, diags := spec.Parse("lab.flow.yaml", []byte(text))
	w, _ := flowruntime.ReadDocument(t.Context(), doc, diags, opt)
	if w == nil {
		return nil
	}
	defer w.Close()
	res, _, err := w.Collect(t.Context())
	if err != nil {
		t.Error(err)
		return nil
	}
	outputs := make(map[string]string)
	keys := make(map[string]cache.ActionKey)
	for _, s := range res.Steps {
		keys[s.Name] = s.Key
		if s.State == sched.Failed {
			continue
		}
		for _, port := range slices.Sorted(maps.Keys(s.Outputs)) {
			outputs[s.Name] += port + " " + s.Outputs[port].String() + " "
		}
	}
	out := make(map[string]made)
	for _, s := range w.Plan.Steps {
		if s.Kind.Live() || !s.Needed || keys[s.Name] == (cache.ActionKey{}) {
			continue
		}
		m := made{key: keys[s.Name], output: outputs[s.Name], inputs: make(map[string]string)}
		for _, in := range s.Awaits() {
			if !in.Type.Live() {
				m.inputs[in.Path] = outputs[in.From.Name]
			}
		}
		out[strings.TrimSuffix(s.Name, "-renamed")] = m
	}
	return out
}

// bench is a folder of its own for one goroutine.
type bench struct {
	testing.TB
	dir   string
	files map[string][]byte // as they are unchanged
}

func newBench(t testing.TB, files map[string][]byte) *bench {
	b := &bench{t, t.TempDir(), files}
	for name := range files {
		b.write(name, files[name])
	}
	return b
}

// write writes a file, and removes it where it has no content.
func (b *bench) write(name string, data []byte) {
	file := filepath.Join(b.dir, filepath.FromSlash(name))
	if data == nil {
		if err := os.Remove(file); err != nil {
			b.Fatal(err)
		}
		return
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o666); err != nil {
		b.Fatal(err)
	}
}

// try runs a workflow with a mutation.
func (b *bench) try(text string, m mutation) trial {
	for name, data := range m.files {
		b.write(name, data)
	}
	defer func() {
		for name := range m.files {
			b.write(name, b.files[name])
		}
	}()
	if m.text != "" {
		text = m.text
	}
	return trial{mutation: m, nodes: run(b, b.dir, text, m.set)}
}

// tryAll runs all mutations, place by place, on as many processors as there are.
func tryAll(t *testing.T, l *lab, base map[string]made, list []mutation) []trial {
	byPlace := make(map[string][]int)
	for i, m := range list {
		byPlace[m.place] = append(byPlace[m.place], i)
	}
	out := make([]trial, len(list))
	next := make(chan []int)
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		b := newBench(t, l.files)
		group.Go(func() {
			for places := range next {
				var tried []trial
				for _, i := range places {
					if list[i].spare && len(judge(base, tried).needless) == 0 {
						out[i].left = true
						continue
					}
					out[i] = b.try(l.text, list[i])
					tried = append(tried, out[i])
				}
			}
		})
	}
	for _, place := range slices.Sorted(maps.Keys(byPlace)) {
		next <- byPlace[place]
	}
	close(next)
	group.Wait()
	return slices.DeleteFunc(out, func(x trial) bool { return x.left })
}

// verdict counts what was found.
type verdict struct {
	same, followed, witnessed, rounded, refused, failed int // nodes; refused are mutations
	falseHits, needless                                 []string
}

// judge compares trials with the unchanged run by what was computed. A false hit is one key for two outcomes, whichever runs they are of. A needless
// miss is a place of which no mutation has ever changed what a node makes of the same inputs, and whose mutations changed its key.
func judge(base map[string]made, trials []trial) *verdict {
	v := &verdict{}
	byKey := make(map[cache.ActionKey]string)
	from := make(map[cache.ActionKey]string)
	suspects, witnesses := make(map[[2]string]string), make(map[[2]string]bool)
	for _, node := range slices.Sorted(maps.Keys(base)) {
		byKey[base[node].key], from[base[node].key] = base[node].output, "the unchanged "+node
	}
	for _, x := range trials {
		if x.nodes == nil {
			v.refused++
		}
		for _, node := range slices.Sorted(maps.Keys(x.nodes)) {
			is, was := x.nodes[node], base[node]
			if output, ok := byKey[is.key]; ok && output != is.output {
				v.falseHits = append(v.falseHits, fmt.Sprintf("%s, %s: %s has the key of %s and makes something else", x.place, x.what, node, from[is.key]))
			}
			byKey[is.key], from[is.key] = is.output, node+" with "+x.what
			at := [2]string{x.place, node}
			switch {
			case is.key == was.key:
				v.same++
			case !maps.Equal(is.inputs, was.inputs):
				v.followed++
			case is.output == was.output:
				v.rounded++
				suspects[at] = x.what
			default:
				v.witnessed++
				witnesses[at] = true
				if is.output == "" {
					v.failed++
				}
			}
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(suspects), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		if !witnesses[at] {
			v.needless = append(v.needless, fmt.Sprintf("%s, such as %s: another key of %s, which makes the same", at[0], suspects[at], at[1]))
		}
	}
	return v
}

// TestKeys mutates every argument, bytes of the input, every tensor, and every field of every configuration, tokenizer and header, one at a time, renders
// each, and holds the keys to what was made: no false hit, and no needless miss. It tries a sample of more than a thousand, another each time;
// FLOW_TEST_KEYS=all tries them all, and FLOW_TEST_SEED repeats a sample.
func TestKeys(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("FLOW_TEST_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FLOW_TEST_SEED=%d", seed)
	files := tinyFiles(t)
	all, enumerated := 0, 0
	for _, l := range labs(t, files, rand.New(rand.NewPCG(seed, 1))) {
		t.Run(l.name, func(t *testing.T) {
			began := time.Now()
			base := run(t, newBench(t, files).dir, l.text, nil)
			for _, node := range l.nodes {
				if base[node].output == "" {
					t.Fatalf("%s made nothing: %v", node, base)
				}
			}
			list := l.mutations(t)
			enumerated += len(list)
			switch {
			case testing.Short():
				list = sample(l.random, list, l.most/10)
			case os.Getenv("FLOW_TEST_KEYS") != "all":
				list = sample(l.random, list, l.most)
			}
			trials := tryAll(t, l, base, list)
			v := judge(base, trials)
			all += len(trials)
			t.Logf("%d mutations in %v: of %d nodes the key was the same, of %d it followed an input, of %d something else was made (%d of them failed), of %d the same; %d workflows were refused",
				len(trials), time.Since(began).Round(time.Millisecond), v.same, v.followed, v.witnessed, v.failed, v.rounded, v.refused)
			for _, f := range v.falseHits {
				t.Error("false hit: " + f)
			}
			for _, f := range v.needless {
				t.Error("needless miss: " + f)
			}
			if v.witnessed == 0 || v.same == 0 {
				t.Error("a run in which nothing changes, or all, shows nothing")
			}
		})
	}
	t.Logf("%d mutations in all, of %d", all, enumerated)
	if !testing.Short() && all < 1000 {
		t.Errorf("only %d mutations", all)
	}
}

// sample is a part of a list of mutations: whole places, until there are n beside those that are spare.
func sample(random *rand.Rand, list []mutation, n int) []mutation {
	byPlace := make(map[string][]mutation)
	for _, m := range list {
		byPlace[m.place] = append(byPlace[m.place], m)
	}
	places := slices.Sorted(maps.Keys(byPlace))
	random.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	var out []mutation
	tried := 0
	for _, p := range places {
		if tried >= n {
			break
		}
		out = append(out, byPlace[p]...)
		for _, m := range byPlace[p] {
			if !m.spare {
				tried++
			}
		}
	}
	return out
}
