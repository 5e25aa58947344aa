package sim

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
)

// reverse is a kernel that turns each block's 64 words round through shared memory: y[63-t] = 2 x[t] within a block.
// Lanes of a warp read what other warps wrote.
const reverse = `
.version 7.0
.target sm_80
.address_size 64
.visible .entry reverse(.param .u64 x, .param .u64 y, .param .u32 n)
.maxntid 64, 1, 1
{
	.reg .pred %p<3>;
	.reg .b32 %r<16>;
	.reg .b64 %rd<8>;
	.shared .align 16 .b8 tile[256];
	ld.param.u64 %rd1, [x];
	ld.param.u64 %rd2, [y];
	ld.param.u32 %r1, [n];
	mov.u32 %r2, %tid.x;
	mov.u32 %r3, %ctaid.x;
	mad.lo.s32 %r4, %r3, 64, %r2;
	setp.ge.s32 %p1, %r4, %r1;
	shl.b32 %r5, %r2, 2;
	mov.u32 %r6, tile;
	add.s32 %r7, %r6, %r5;
	mov.u32 %r8, 0;
	@%p1 bra STORE;
	mul.wide.s32 %rd3, %r4, 4;
	add.s64 %rd4, %rd1, %rd3;
	ld.global.u32 %r8, [%rd4];
STORE:
	st.shared.u32 [%r7], %r8;
	bar.sync 0;
	xor.b32 %r9, %r5, 252;
	add.s32 %r10, %r6, %r9;
	ld.shared.u32 %r11, [%r10];
	shl.b32 %r12, %r11, 1;
	@%p1 bra DONE;
	mul.wide.s32 %rd3, %r4, 4;
	add.s64 %rd5, %rd2, %rd3;
	st.global.u32 [%rd5], %r12;
DONE:
	ret;
}
`

// rig is a device with reverse loaded and 128 words in x and y.
type rig struct {
	t        *testing.T
	d        *Device
	m        driver.Module
	f        driver.Function
	s, other driver.Stream
	e        driver.Event
	x, y     driver.Ptr
	in, out  []byte
}

func ok[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newRig(t *testing.T, text string, o Options) *rig {
	r := &rig{t: t, d: Open(o)}
	r.m = ok[driver.Module](t)(r.d.Load(text))
	r.f = ok[driver.Function](t)(r.m.Function("reverse"))
	r.s, r.other = ok[driver.Stream](t)(r.d.NewStream()), ok[driver.Stream](t)(r.d.NewStream())
	r.e = ok[driver.Event](t)(r.d.NewEvent())
	r.x, r.y = ok[driver.Ptr](t)(r.d.Alloc(512)), ok[driver.Ptr](t)(r.d.Alloc(512))
	r.in, r.out = ok[[]byte](t)(r.d.AllocHost(512)), ok[[]byte](t)(r.d.AllocHost(512))
	for i := range 128 {
		putWord(r.in[4*i:], uint32(i+1))
	}
	return r
}

// body is what is done with a rig; each mutation changes one thing in it.
type body struct {
	text      string
	n         uint64
	grid      int
	offset    driver.Ptr // added to y
	shift     driver.Ptr // added to the address that the kernel reads
	noCopy    bool
	noWait    bool // the copy is on another stream, and nothing orders it
	freeFirst bool
	keep      bool // leaves everything allocated
	touchHost bool
	noSync    bool
}

// run does the work; the first failure comes back, or Close's.
func (b body) run(t *testing.T, seed uint64) (*rig, error) {
	text := reverse
	if b.text != "" {
		text = b.text
	}
	r := newRig(t, text, Options{Seed: seed, Limit: 1 << 16})
	err := func() error {
		if b.noWait { // what was there before has been written, so that the race alone is wrong
			if err := errors.Join(r.d.Fill(r.x, 0, 128, nil), r.d.Synchronize()); err != nil {
				return err
			}
		}
		if !b.noCopy {
			if err := r.d.CopyIn(r.x, r.in, r.other); err != nil {
				return err
			}
		}
		if b.touchHost {
			r.in[7]++
		}
		if !b.noWait {
			if err := errors.Join(r.e.Record(r.other), r.s.Wait(r.e)); err != nil {
				return err
			}
		}
		if b.freeFirst {
			if err := r.d.Free(r.x); err != nil {
				return err
			}
		}
		if err := r.d.Launch(r.f, driver.D1(b.grid), driver.D1(64), 0, r.s, []uint64{uint64(r.x + b.shift), uint64(r.y + b.offset), b.n}); err != nil {
			return err
		}
		if err := r.d.CopyOut(r.out, r.y, r.s); err != nil {
			return err
		}
		if b.noSync {
			return nil
		}
		return r.d.Synchronize()
	}()
	if err == nil && !b.noSync && !b.keep {
		out := r.out
		r.out = bytes.Clone(out) // for whoever looks at it when the device is gone
		err = errors.Join(r.s.Destroy(), r.other.Destroy(), r.e.Destroy(), r.m.Unload(), r.d.Free(r.x), r.d.Free(r.y), r.d.FreeHost(r.in), r.d.FreeHost(out))
	}
	if err == nil && !b.noSync {
		err = r.d.Close()
	}
	return r, err
}

func edit(t *testing.T, text, old, to string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("the text does not hold %q", old)
	}
	return strings.Replace(text, old, to, 1)
}

// TestSound is the control of TestMutations: without a mistake nothing is found, whatever the order.
func TestSound(t *testing.T) {
	for seed := range uint64(50) {
		r, err := body{n: 128, grid: 2}.run(t, seed)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 128 {
			want := uint32(2 * (i/64*64 + 63 - i%64 + 1))
			if have := uint32(r.out[4*i]) | uint32(r.out[4*i+1])<<8; have != want {
				t.Fatalf("seed %d: y[%d] = %d, want %d", seed, i, have, want)
			}
		}
	}
}

// TestMutations plants one mistake of each class; the simulator finds it in every order.
func TestMutations(t *testing.T) {
	good := body{n: 128, grid: 2}
	change := func(f func(b *body)) body {
		b := good
		f(&b)
		return b
	}
	text := func(old, to string) body {
		return change(func(b *body) { b.text = edit(t, reverse, old, to) })
	}
	for _, c := range []struct {
		name string
		body body
		kind vm.FaultKind // 0: a leak
		says string       // of the message
	}{
		{"missing barrier", text("bar.sync 0;", "").initialised(t), vm.SharedRace, "line 3"},
		{"bound off by one", change(func(b *body) { b.n, b.grid = 129, 3 }), vm.OutOfBounds, "4 bytes past the end of the 512 bytes"},
		{"bound off by one on the device", text("setp.ge.s32", "setp.gt.s32").with(128, 3), vm.OutOfBounds, "block [2 0 0] thread [0 0 0]"},
		{"wrong swizzle", text("xor.b32 %r9, %r5, 252", "add.s32 %r9, %r5, 252"), vm.OutOfBounds, "shared"},
		{"swizzle that meets itself", text("add.s32 %r7, %r6, %r5", "and.b32 %r7, %r5, 124;\n\tadd.s32 %r7, %r6, %r7"), vm.SharedRace, "written by thread"},
		{"unsynchronised stream", change(func(b *body) { b.noWait = true }), vm.StreamRace, "nothing orders the two"},
		{"leak", change(func(b *body) { b.keep = true }), 0, "mutation_test.go"},
		{"use after free", change(func(b *body) { b.freeFirst = true }), vm.UseAfterFree, "was freed"},
		{"uninitialised read", change(func(b *body) { b.noCopy = true }), vm.Uninitialised, "byte"},
		{"uninitialised shared memory", text("st.shared.u32 [%r7], %r8;", "@%p1 st.shared.u32 [%r7], %r8;").with(100, 2), vm.Uninitialised, "shared"},
		{"misaligned word", change(func(b *body) { b.shift = 2 }), vm.Misaligned, "4 bytes"},
		{"misaligned vector", text("ld.global.u32 %r8, [%rd4];", "ld.global.v2.u32 {%r8, %r13}, [%rd4];"), vm.Misaligned, "8 bytes"},
		{"divergent barrier", text("bar.sync 0;", "@%p1 bra DONE;\n\tbar.sync 0;").with(100, 2), vm.DivergentBarrier, "elsewhere"},
		{"warp that leaves before the barrier", text("bar.sync 0;", "@%p1 bra DONE;\n\tbar.sync 0;").with(96, 2), vm.DivergentBarrier, "has left the kernel"},
		{"host changes a source too early", change(func(b *body) { b.touchHost = true }), vm.HostRace, "keep the source"},
		{"lanes missing in a shuffle", text("shl.b32 %r12, %r11, 1;", "shl.b32 %r12, %r11, 1;\n\t@!%p1 shfl.sync.bfly.b32 %r12, %r12, 1, 31, -1;").with(100, 2),
			vm.DivergentLanes, "elsewhere"},
		{"endless loop", text("xor.b32 %r9", "LOOP: bra LOOP;\n\txor.b32 %r9"), vm.Endless, "instructions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(20) {
				_, err := c.body.run(t, seed)
				var f *vm.Fault
				var leak *LeakError
				switch {
				case err == nil:
					t.Fatalf("seed %d: not found", seed)
				case c.kind == 0 && !errors.As(err, &leak), c.kind != 0 && (!errors.As(err, &f) || f.Kind != c.kind):
					t.Fatalf("seed %d: found %v, want %v", seed, err, c.kind)
				case !strings.Contains(err.Error(), c.says):
					t.Fatalf("seed %d: %q does not say %q", seed, err, c.says)
				}
			}
		})
	}
}

func (b body) with(n uint64, grid int) body {
	b.n, b.grid = n, grid
	return b
}

// initialised makes every thread write the word that it reads too, before.
func (b body) initialised(t *testing.T) body {
	b.text = edit(t, b.text, "st.shared.u32 [%r7], %r8;", "xor.b32 %r9, %r5, 252;\n\tadd.s32 %r10, %r6, %r9;\n\tst.shared.u32 [%r10], %r8;\n\tbar.sync 0;\n\tst.shared.u32 [%r7], %r8;")
	return b
}

// TestUnsynchronisedHostRead reads a copy's target before it was waited for.
func TestUnsynchronisedHostRead(t *testing.T) {
	r, err := body{n: 128, grid: 2, noSync: true}.run(t, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range r.out {
		if v != hostPattern {
			t.Fatalf("byte %d holds %#x before anything was waited for", i, v)
		}
	}
}

// TestGEMMMutations edits the PTX of a tensor-core product with asynchronous copies. Its warps read what others copy:
// without the barrier one warp, which runs first, reads what nobody has copied yet.
func TestGEMMMutations(t *testing.T) {
	b, err := os.ReadFile("vm/testdata/gemm.ptx")
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	for _, c := range []struct {
		name, text string
		kind       vm.FaultKind
	}{
		{"sound", good, 0},
		{"group not waited for", edit(t, good, "cp.async.wait_group 1;", "cp.async.wait_group 2;"), vm.AsyncPending},
		{"no wait", edit(t, good, "cp.async.wait_group 1;", ""), vm.AsyncPending},
		{"missing barrier", edit(t, good, "bar.sync 	0;", ""), vm.Uninitialised},
		{"tile beyond shared memory", edit(t, good, "add.s32 	%r85, %r80, 24576;", "add.s32 	%r85, %r80, 49152;"), vm.OutOfBounds},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Open(Options{Seed: 7, Workers: 1})
			m := ok[driver.Module](t)(d.Load(c.text))
			f := ok[driver.Function](t)(m.Function("gemm_f16"))
			var p [4]driver.Ptr
			for i := range p {
				p[i] = ok[driver.Ptr](t)(d.Alloc(128 * 128 * 4))
				if err := d.Fill(p[i], 0x3c003c00, 128*128, nil); err != nil {
					t.Fatal(err)
				}
			}
			err := d.Launch(f, driver.D1(1), driver.D1(256), 48<<10, nil, []uint64{uint64(p[0]), uint64(p[1]), uint64(p[2]), uint64(p[3]), 128, 128, 128})
			if err == nil {
				err = d.Synchronize()
			}
			var fault *vm.Fault
			if c.kind == 0 && err != nil || c.kind != 0 && (!errors.As(err, &fault) || fault.Kind != c.kind) {
				t.Fatalf("found %v, want %v", err, c.kind)
			}
		})
	}
}
