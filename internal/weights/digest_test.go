package weights

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// mapMemo is a Memo that counts.
type mapMemo struct {
	mu         sync.Mutex
	m          map[string][]byte
	hits, puts int
}

func newMapMemo() *mapMemo { return &mapMemo{m: make(map[string][]byte)} }

func (m *mapMemo) Get(key string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.m[key]
	if ok {
		m.hits++
	}
	return v, ok
}

func (m *mapMemo) Put(key string, val []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.m[key] = val
	m.puts++
}

// tiny makes a model whose UNet has the tensors.
func tiny(t *testing.T, tensors ...stored) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	copyConfig(t, castle, dir)
	file = filepath.Join(dir, "unet", "diffusion_pytorch_model.safetensors")
	writeTensors(t, file, tensors, nil)
	return dir, file
}

var someTensor = stored{"w", "F32", []int{2}, []byte{0, 0, 128, 63, 0, 0, 0, 64}}

// TestMemo opens the same settled file again and again. The castle's files may be as fresh as the
// checkout, so times are made.
func TestMemo(t *testing.T) {
	dir, file := tiny(t, someTensor)
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	memo := newMapMemo()
	c := part(t, openModel(t, dir, Options{}), "unet")
	if _, unknown, ok := c.Remembered(memo); ok || unknown != 8 {
		t.Errorf("before hashing: known %v, %d bytes unknown", ok, unknown)
	}
	want, err := c.Digest(t.Context(), memo)
	if err != nil {
		t.Fatal(err)
	}
	if memo.puts != 0 {
		t.Fatal("the digest of a file whose inode was changed just now is remembered")
	}
	c.remember(memo, c.sums, time.Now().Add(time.Hour)) // the file has been left alone for an hour
	if memo.puts != 1 {
		t.Fatal("nothing is remembered")
	}
	again := part(t, openModel(t, dir, Options{}), "unet")
	if got, unknown, ok := again.Remembered(memo); !ok || unknown != 0 || got != want {
		t.Errorf("known %v, %d bytes unknown, digest %s; want %s", ok, unknown, got, want)
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"cut": func(b []byte) []byte { return b[:len(b)-1] }, "empty": func([]byte) []byte { return nil },
		"flipped": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
	} {
		bad := newMapMemo()
		for k, v := range memo.m {
			bad.m[k] = spoil([]byte(string(v)))
		}
		if _, _, ok := part(t, openModel(t, dir, Options{}), "unet").Remembered(bad); ok {
			t.Errorf("a memo entry that is %s is believed", name)
		}
	}
	changed := someTensor
	changed.data = []byte{0, 0, 128, 63, 0, 0, 0, 65}
	writeTensors(t, file, []stored{changed}, nil)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	other := part(t, openModel(t, dir, Options{}), "unet")
	if _, _, ok := other.Remembered(memo); ok {
		t.Error("a file of the same name, size and mtime is taken for the old one")
	}
	if digest(t, other) == want {
		t.Error("another file has the same digest")
	}
}

func TestMemoMustSettle(t *testing.T) {
	dir, _ := tiny(t, someTensor)
	c := part(t, openModel(t, dir, Options{}), "unet")
	digest(t, c)
	last := time.Unix(0, max(c.files[0].stamp.MtimeNs, c.files[0].stamp.CtimeNs))
	memo := newMapMemo()
	for _, after := range []time.Duration{-time.Hour, 0, time.Second, settle - 1} {
		if c.remember(memo, c.sums, last.Add(after)); memo.puts != 0 {
			t.Fatalf("a digest made %v after the last change is remembered", after)
		}
	}
	if c.remember(memo, c.sums, last.Add(settle)); memo.puts != 1 {
		t.Error("a digest of a settled file is not remembered")
	}
}

func TestDigestDependsOnAllOfATensor(t *testing.T) {
	seen := make(map[Digest]int)
	for i, list := range [][]stored{
		{someTensor},
		{{"v", "F32", []int{2}, someTensor.data}},
		{{"w", "I32", []int{2}, someTensor.data}},
		{{"w", "F32", []int{1, 2}, someTensor.data}},
		{{"w", "F32", []int{2}, []byte{0, 0, 128, 63, 0, 0, 0, 65}}},
		{someTensor, {"e", "F32", []int{0}, nil}},
		{someTensor, {"e", "F32", []int{0, 1}, nil}},
		{{"w", "F32", []int{1}, someTensor.data[:4]}, {"w2", "F32", []int{1}, someTensor.data[4:]}},
	} {
		dir, _ := tiny(t, list...)
		d := digest(t, part(t, openModel(t, dir, Options{}), "unet"))
		if j, dup := seen[d]; dup {
			t.Errorf("cases %d and %d have one digest", i, j)
		}
		seen[d] = i
	}
	dir, _ := tiny(t, someTensor)
	c := part(t, openModel(t, dir, Options{}), "unet")
	for i, docs := range [][]Document{
		{{"a", nil}}, {{"a", []byte("b")}}, {{"ab", nil}}, {{"a", nil}, {"b", nil}}, {{"a", []byte("b")}, {"", nil}},
	} {
		d, err := c.Digest(t.Context(), nil, docs...)
		if err != nil {
			t.Fatal(err)
		}
		if j, dup := seen[d]; dup {
			t.Errorf("documents %d and case %d have one digest", i, j)
		}
		seen[d] = 100 + i
		if len(docs) == 2 {
			if e, err := c.Digest(t.Context(), nil, docs[1], docs[0]); err != nil || e != d {
				t.Errorf("the order of documents %d matters, error %v", i, err)
			}
		}
	}
}

func TestDigestStops(t *testing.T) {
	c := part(t, openModel(t, castle, Options{}), "unet")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Digest(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	digest(t, c) // and can be asked again
}

func TestScanFinite(t *testing.T) {
	put := map[string]func(b []byte, bits uint64){
		"F16":  func(b []byte, v uint64) { binary.LittleEndian.PutUint16(b, uint16(v)) },
		"F32":  func(b []byte, v uint64) { binary.LittleEndian.PutUint32(b, uint32(v)) },
		"F64":  binary.LittleEndian.PutUint64,
		"BF16": func(b []byte, v uint64) { binary.LittleEndian.PutUint16(b, uint16(v)) },
	}
	for dtype, c := range map[string]struct{ most, inf, nan, sign uint64 }{
		"F16":  {0x7bff, 0x7c00, 0x7c01, 0x8000},
		"BF16": {0x7f7f, 0x7f80, 0x7f81, 0x8000},
		"F32":  {0x7f7fffff, 0x7f800000, 0x7f800001, 0x80000000},
		"F64":  {math.Float64bits(math.MaxFloat64), math.Float64bits(math.Inf(1)), math.Float64bits(math.Inf(1)) + 1, 1 << 63},
	} {
		size := int(dtypes[dtype].size)
		for _, n := range []int{1, 3, 8, 37, 4096/size + 1} {
			for at := 0; at < n; at += 1 + n/40 { // each element of a few, some of many
				for bits, want := range map[uint64]finiteness{c.most: 0, c.inf: hasInf, c.nan: hasNaN, c.sign - 1: hasNaN} {
					for _, sign := range []uint64{0, c.sign} {
						data := make([]byte, n*size)
						put[dtype](data[at*size:], bits|sign)
						if got := scanFinite(dtype, data); got != want {
							t.Fatalf("%s, element %d of %d, bits %x: %d; want %d", dtype, at, n, bits|sign, got, want)
						}
					}
				}
			}
		}
	}
	if scanFinite("I16", []byte{0xff, 0xff}) != 0 {
		t.Error("whole numbers are taken for NaN")
	}
}

// TestCheck gathers everything that is wrong in one error that names the file.
func TestCheck(t *testing.T) {
	nan, inf := []byte{1, 0x7e}, []byte{0, 0x7c}
	dir, file := tiny(t,
		stored{"good", "F16", []int{1}, inf[:1:1]}, stored{"shape", "F16", []int{1, 1}, inf}, stored{"nan", "F16", []int{1}, nan},
		stored{"inf", "F16", []int{1}, inf}, stored{"type", "I16", []int{1}, nan}, stored{"unread.nan", "F16", []int{1}, nan})
	// "good" was written a byte short on purpose: nothing of the file is accepted.
	if _, err := openModel(t, dir, Options{}).Component("unet"); err == nil || !strings.Contains(err.Error(), `tensor "good": shape [1] of F16`) {
		t.Fatalf("error %v", err)
	}
	writeTensors(t, file, []stored{
		{"good", "F16", []int{1}, []byte{0, 0x3c}}, {"shape", "F16", []int{1, 1}, []byte{0, 0}}, {"nan", "F16", []int{1}, nan},
		{"inf", "F16", []int{1}, inf}, {"type", "I16", []int{1}, nan}, {"unread.nan", "F16", []int{1}, nan}}, nil)
	c := part(t, openModel(t, dir, Options{}), "unet")
	b := NewBundle(c)
	digest(t, c)
	ref := func(name string) program.WeightRef { return program.WeightRef{Name: "unet/" + name, Shape: []int{1}} }
	surplus, err := b.Check([]program.WeightRef{ref("good"), ref("good")})
	if err != nil || fmt.Sprint(surplus) != "[unet/inf unet/nan unet/shape unet/type unet/unread.nan]" {
		t.Errorf("surplus %v, error %v", surplus, err)
	}
	surplus, err = b.Check([]program.WeightRef{ref("good"), ref("shape"), ref("nan"), ref("inf"), ref("type"), ref("gone.1"), ref("gone.2"),
		{Name: "vae/x", Shape: []int{1}}, {Name: "bare", Shape: []int{1}}})
	if fmt.Sprint(surplus) != "[unet/unread.nan]" || err == nil {
		t.Fatalf("surplus %v, error %v", surplus, err)
	}
	at := file + ": tensor "
	for _, want := range []string{
		"8 of 9:", at + `"shape": has shape [1 1] where unet/shape is [1]`, at + `"nan": holds NaN`, at + `"inf": holds infinities`,
		at + `"type": element type I16 is not one of`, at + `"gone.1": is missing from the unet`, at + `"gone.2": is missing from the unet`,
		`weight vae/x: the model has no component "vae"; it has unet`, `weight bare: the model has no component`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

// TestNaNIsRemembered: a file that a memo knows is not trusted more than one just read.
func TestNaNIsRemembered(t *testing.T) {
	dir, _ := tiny(t, stored{"nan", "F16", []int{1}, []byte{1, 0x7e}})
	memo := newMapMemo()
	first := part(t, openModel(t, dir, Options{}), "unet")
	digest(t, first)
	first.remember(memo, first.sums, time.Now().Add(time.Hour))
	c := part(t, openModel(t, dir, Options{}), "unet")
	if _, err := c.Digest(t.Context(), memo); err != nil || memo.hits != 1 {
		t.Fatalf("%d hits, error %v", memo.hits, err)
	}
	if _, err := NewBundle(c).Check([]program.WeightRef{{Name: "unet/nan", Shape: []int{1}}}); err == nil || !strings.Contains(err.Error(), "holds NaN") {
		t.Errorf("error %v", err)
	}
}

// TestRememberedDoesNotWait for another goroutine that hashes the component: a plan, or a node's key, would wait for gigabytes.
func TestRememberedDoesNotWait(t *testing.T) {
	c := part(t, openModel(t, castle, Options{}), "vae")
	c.hashing.Lock()
	if _, unknown, ok := c.Remembered(nil); ok || unknown == 0 {
		t.Errorf("%d bytes unknown, %v", unknown, ok)
	}
	c.hashing.Unlock()
	want, err := c.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, unknown, ok := c.Remembered(nil); !ok || unknown != 0 || got != want {
		t.Errorf("%s, want %s; %d bytes unknown", got, want, unknown)
	}
}
