package cpu

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/panels"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// folder keeps packed weights in a folder.
type folder struct {
	dir  string
	err  error // of putting
	full bool
	puts atomic.Int64
	mu   sync.Mutex
}

func (f *folder) path(key [32]byte) string { return filepath.Join(f.dir, fmt.Sprintf("%x", key)) }

func (f *folder) OpenPacked(key [32]byte) (*os.File, error) { return os.Open(f.path(key)) }

func (f *folder) RoomPacked(int64) bool { return !f.full }

func (f *folder) PutPacked(_ context.Context, key [32]byte, size int64, fill func(w io.Writer) error) error {
	if f.err != nil {
		return f.err
	}
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		return err
	}
	if int64(b.Len()) != size {
		return fmt.Errorf("%d bytes, not %d", b.Len(), size)
	}
	f.puts.Add(1)
	return os.WriteFile(f.path(key), b.Bytes(), 0o600)
}

func (f *folder) RemovePacked(key [32]byte) error { return os.Remove(f.path(key)) }

func (f *folder) LockPacked() (func(), bool) {
	if !f.mu.TryLock() {
		return nil, false
	}
	return f.mu.Unlock, true
}

// files lists the paths, sorted.
func (f *folder) files(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(f.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// content is a source whose weights are known by what they hold.
type content struct {
	list    map[string]program.WeightData
	kept    atomic.Int64
	dropped atomic.Int64
	changed error
	made    map[string]bool // weights that are computed when they are asked for
	asked   atomic.Int64    // how often one of them was
}

func (c *content) Weight(name string) (program.WeightData, error) {
	if c.made[name] {
		c.asked.Add(1)
	}
	return c.list[name], nil
}
func (c *content) Made(name string) bool      { return c.made[name] }
func (c *content) Guard(f func() error) error { return f() }
func (c *content) Verify() error              { return c.changed }
func (c *content) Drop(string)                { c.dropped.Add(1) }
func (c *content) Size(name string) (int64, bool) {
	if c.made[name] {
		return 4 * int64(program.Elems(c.list[name].Shape)), false
	}
	return int64(len(c.list[name].Data)), true
}
func (c *content) Identity(name string) ([32]byte, bool) {
	w := c.list[name]
	return sha256.Sum256(append(fmt.Appendf(nil, "%s %v %v\n", name, w.Type, w.Shape), w.Data...)), name != "made for this run"
}

func (c *content) Keep() func() {
	c.kept.Add(1)
	return func() { c.kept.Add(-1) }
}

// keeping is a program with products of every sort, its weights and inputs.
func keeping() (*program.Program, *content, map[string]program.Tensor) {
	b := program.NewBuilder("keeping", program.BF16)
	x := b.Input("x", program.Float32, 2, 6, 7, 192)
	y := b.Input("y", program.Float32, 2, 6, 7, 64)
	taps := func(w program.ID) []program.Tap { // the second segment is too small to be kept
		return []program.Tap{{X: x, W: w, KH: 3, KW: 3, PadTop: 1, PadLeft: 1}, {X: y, W: w, WOffset: 192, KH: 3, KW: 3, PadTop: 1, PadLeft: 1}}
	}
	h := b.Product(taps(b.Weight("conv", 100, 256, 3, 3)), []program.ID{b.Weight("bias", 100)}, program.None)
	h = b.Product([]program.Tap{{X: h, W: b.Weight("first", 800, 100)}, {X: x, W: b.Weight("made for this run", 800, 192)}}, nil, program.None)
	h = b.GEGLU(b.Product([]program.Tap{{X: h, W: b.Weight("gated", 2*384, 800)}}, []program.ID{b.Weight("gates", 2*384)}, program.None))
	h = b.Product([]program.Tap{{X: h, W: b.Weight("last", 500, 384)}}, nil, program.None)
	b.WithPrecision(program.F32, func() { h = b.Product([]program.Tap{{X: h, W: b.Weight("full", 320, 500)}}, nil, program.None) })
	b.Output("h", h)
	p := program.Optimize(b.Program())
	r := rand.New(rand.NewPCG(5, 6))
	src := &content{list: make(map[string]program.WeightData)}
	for i, w := range p.Weights() {
		data := program.WeightData{Type: program.WF32, Shape: w.Shape}
		if i%2 == 0 {
			data.Type = program.WBF16
		}
		for range program.Elems(w.Shape) {
			bits := math.Float32bits(float32(r.NormFloat64()))
			if data.Type == program.WBF16 {
				data.Data = binary.LittleEndian.AppendUint16(data.Data, uint16(bits>>16))
			} else {
				data.Data = binary.LittleEndian.AppendUint32(data.Data, bits)
			}
		}
		src.list[w.Name] = data
	}
	in := make(map[string]program.Tensor)
	for _, port := range p.Inputs {
		t := program.Tensor{Shape: p.Shape(port.Value), F: make([]float32, program.Elems(p.Shape(port.Value)))}
		for i := range t.F {
			t.F[i] = float32(r.NormFloat64())
		}
		in[port.Name] = t
	}
	return p, src, in
}

// runKept runs the program once with an executor that keeps packed weights in f. It gives the result and how many files were mapped.
func runKept(t *testing.T, e *Executor, threads int) ([]float32, int) {
	t.Helper()
	p, src, in := keeping()
	return runKeptOf(t, e, threads, p, src, in)
}

func runKeptOf(t *testing.T, e *Executor, threads int, p *program.Program, src *content, in map[string]program.Tensor) ([]float32, int) {
	t.Helper()
	x, err := e.Compile(p, program.Options{Weights: src, Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	n := len(x.(*exec).panels)
	out, err := x.Run(t.Context(), in, program.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return out["h"].F, n
}

// keeper is an executor that keeps in f without pauses.
func keeper(t *testing.T, tier kernel.Tier, f *folder, warn func(error)) *Executor {
	t.Helper()
	e := WithTier(tier)
	e.Keep(Keeping{Store: panels.NewStore(f), Share: 1, All: true, Warn: warn})
	e.packer.least = 0
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// packed waits until packing in the background has nothing left to do.
func packed(t *testing.T, e *Executor) {
	t.Helper()
	for range 1000 {
		e.packer.mu.Lock()
		idle := !e.packer.running
		e.packer.mu.Unlock()
		if idle {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("packing does not end")
}

// keptFiles is the number of segments of keeping whose panels are kept: the first of conv, gated, last. The others are small, made for
// this run or fp32.
const keptFiles = 3

func TestPanelsInFiles(t *testing.T) {
	want, _ := runKept(t, WithTier(kernel.Plain), 1)
	for _, tier := range kernel.Tiers() {
		f := &folder{dir: t.TempDir()}
		p, src, in := keeping()
		e := keeper(t, tier, f, nil)
		first, mapped := runKeptOf(t, e, 2, p, src, in)
		if mapped != 0 || !slices.Equal(first, want) {
			t.Errorf("%s: the first run maps %d files, or has other bits", tier.Name, mapped)
		}
		packed(t, e)
		if n := src.kept.Load(); n != 0 {
			t.Errorf("%s: weights are kept %d times after all is packed", tier.Name, n)
		}
		for _, threads := range []int{1, 3} {
			second, mapped := runKept(t, keeper(t, tier, f, nil), threads)
			if mapped != keptFiles || !slices.Equal(second, want) {
				t.Errorf("%s, %d workers: the second run maps %d files, or has other bits", tier.Name, threads, mapped)
			}
		}
		if n := f.puts.Load(); n != keptFiles {
			t.Errorf("%s: %d files were made", tier.Name, n)
		}
	}
}

// TestPanelsInFilesOfTiers holds all tiers to the same files: a cache may move to another machine.
func TestPanelsInFilesOfTiers(t *testing.T) {
	var want [][]byte
	for _, tier := range kernel.Tiers() {
		f := &folder{dir: t.TempDir()}
		p, src, _ := keeping()
		made, err := keeper(t, tier, f, nil).PackAll(t.Context(), p, program.Options{Weights: src})
		if err != nil || made.Files != keptFiles || made.Made != keptFiles {
			t.Fatal(made, err)
		}
		var got [][]byte
		for _, name := range f.files(t) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, data)
		}
		if want == nil {
			want = got
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%s packs other bytes than %s", tier.Name, kernel.Tiers()[0].Name)
		}
	}
}

func TestDamagedPanelsAreMadeAnew(t *testing.T) {
	want, _ := runKept(t, WithTier(kernel.Plain), 1)
	f := &folder{dir: t.TempDir()}
	p, src, _ := keeping()
	best := kernel.Tiers()[len(kernel.Tiers())-1]
	if _, err := keeper(t, best, f, nil).PackAll(t.Context(), p, program.Options{Weights: src}); err != nil {
		t.Fatal(err)
	}
	name := f.files(t)[0]
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(at int) []byte {
		bad := bytes.Clone(whole)
		bad[at] ^= 0x10
		return bad
	}
	n := len(whole)
	for what, bad := range map[string][]byte{
		"header": flip(20), "header's checksum": flip(4095), "first block": flip(4096), "last block": flip(n - 16 - 4*1000%16 - 200), "table": flip(n - 17),
		"footer": flip(n - 16), "end": flip(n - 1), "cut by a byte": whole[:n-1], "cut to the header": whole[:4096], "empty": {}, "longer": append(bytes.Clone(whole), 0),
		"another": bytes.Repeat([]byte{7}, n),
	} {
		if err := os.WriteFile(name, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		e := keeper(t, best, f, nil)
		if got, _ := runKept(t, e, 2); !slices.Equal(got, want) {
			t.Errorf("%s damaged: other bits", what)
		}
		packed(t, e)
		if again, err := os.ReadFile(name); err != nil || !bytes.Equal(again, whole) {
			t.Errorf("%s damaged: the file is not made anew (%v)", what, err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPackingGivesUp(t *testing.T) {
	want, _ := runKept(t, WithTier(kernel.Plain), 1)
	for what, f := range map[string]*folder{"full disk": {err: errors.New("no space left on device")}, "no room": {full: true}} {
		f.dir = t.TempDir()
		var warned atomic.Int64
		e := keeper(t, kernel.Plain, f, func(error) { warned.Add(1) })
		p, src, in := keeping()
		for range 2 {
			if got, _ := runKeptOf(t, e, 1, p, src, in); !slices.Equal(got, want) {
				t.Errorf("%s: other bits", what)
			}
			packed(t, e)
		}
		if n := warned.Load(); n > 1 || n == 0 != (f.err == nil) {
			t.Errorf("%s: %d warnings", what, n)
		}
		if src.kept.Load() != 0 || len(f.files(t)) != 0 {
			t.Errorf("%s: weights are kept %d times, %d files", what, src.kept.Load(), len(f.files(t)))
		}
	}
}

func TestPackingChecksTheFiles(t *testing.T) {
	f := &folder{dir: t.TempDir()}
	p, src, in := keeping()
	src.changed = errors.New("the file changed")
	e := keeper(t, kernel.Plain, f, nil)
	runKeptOf(t, e, 1, p, src, in)
	packed(t, e)
	if len(f.files(t)) != 0 {
		t.Error("weights were kept under the digest of what they were before")
	}
}

func TestPackingWaitsItsTurnAndEnds(t *testing.T) {
	f := &folder{dir: t.TempDir()}
	unlock, _ := f.LockPacked()
	defer unlock()
	p, src, in := keeping()
	e := keeper(t, kernel.Plain, f, nil)
	runKeptOf(t, e, 1, p, src, in)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if src.kept.Load() != 0 || len(f.files(t)) != 0 {
		t.Errorf("after the end weights are kept %d times, %d files", src.kept.Load(), len(f.files(t)))
	}
	if _, err := keeper(t, kernel.Plain, f, nil).PackAll(t.Context(), p, program.Options{Weights: src}); err == nil {
		t.Error("packs while another process does")
	}
}

func TestResting(t *testing.T) {
	r := rester{ctx: t.Context(), share: 0.5, woke: time.Now().Add(-20 * time.Millisecond)}
	start := time.Now()
	if err := r.now(); err != nil || time.Since(start) < 20*time.Millisecond {
		t.Errorf("rested for %v after 20ms of work for a half, %v", time.Since(start), err)
	}
}

func TestLowMemoryDropsWeights(t *testing.T) {
	want, _ := runKept(t, WithTier(kernel.Plain), 1)
	f := &folder{dir: t.TempDir()}
	for _, mapped := range []int{0, keptFiles} {
		p, src, in := keeping()
		e := keeper(t, kernel.Plain, f, nil)
		x, err := e.Compile(p, program.Options{Weights: src, Threads: 2, LowMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(x.(*exec).panels); n != mapped {
			t.Errorf("%d files are mapped, not %d", n, mapped)
		}
		for range 2 {
			out, err := x.Run(t.Context(), in, program.RunOptions{})
			if err != nil || !slices.Equal(out["h"].F, want) {
				t.Errorf("with low memory: other bits, %v", err)
			}
		}
		if n := src.dropped.Load(); n < 2*int64(len(p.Weights()))-4 {
			t.Errorf("%d weights were let go of in two runs", n)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		packed(t, e)
	}
}

// Packing beside a run leaves in memory what the run reads, unless memory is short; after the run it leaves nothing.
func TestPackingLeavesWhatARunReads(t *testing.T) {
	for _, c := range []struct {
		low  bool
		want int64
	}{{false, 0}, {true, keptFiles}} {
		p, src, _ := keeping()
		f := &folder{dir: t.TempDir()}
		unlock, _ := f.LockPacked()
		e := keeper(t, kernel.Plain, f, nil)
		x, err := e.Compile(p, program.Options{Weights: src, Threads: 1, LowMemory: c.low})
		if err != nil {
			t.Fatal(err)
		}
		before := src.dropped.Load()
		unlock()
		packed(t, e)
		if n := src.dropped.Load() - before; n != c.want || len(f.files(t)) != keptFiles {
			t.Errorf("low memory %v: packing %d files let go of %d weights of a run, want %d", c.low, len(f.files(t)), n, c.want)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		if len(e.packer.reading) != 0 {
			t.Errorf("low memory %v: after the run %d weights are held", c.low, len(e.packer.reading))
		}
	}
}

func TestPackingAfterARunLeavesNothing(t *testing.T) {
	p, src, _ := keeping()
	f := &folder{dir: t.TempDir()}
	unlock, _ := f.LockPacked()
	e := keeper(t, kernel.Plain, f, nil)
	x, err := e.Compile(p, program.Options{Weights: src, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	before := src.dropped.Load()
	unlock()
	packed(t, e)
	if n := src.dropped.Load() - before; n != keptFiles || len(f.files(t)) != keptFiles {
		t.Errorf("packing %d files after a run let go of %d weights", len(f.files(t)), n)
	}
}
