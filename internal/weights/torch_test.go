package weights

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const torchFiles = "../torchfile/testdata/"

// TestTorchFiles compares torch's files with the same tensors in safetensors.
func TestTorchFiles(t *testing.T) {
	for name, twin := range map[string]string{
		"state_dict.bin": "tensors", "legacy.bin": "tensors", "parameters.bin": "tensors", "checkpoint.ckpt": "tensors", "views.bin": "views",
	} {
		got, err := OpenFile(torchFiles + name)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		want, err := OpenFile(torchFiles + twin + ".safetensors")
		if err != nil {
			t.Fatal(err)
		}
		defer want.Close()
		if a, b := slices.Sorted(slices.Values(got.Names())), slices.Sorted(slices.Values(want.Names())); !slices.Equal(a, b) {
			t.Fatalf("%s: names %v, want %v", name, a, b)
		}
		for _, n := range want.Names() {
			a, _ := got.Tensor(n)
			b, _ := want.Tensor(n)
			if a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) || !bytes.Equal(a.Data, b.Data) {
				t.Errorf("%s: %s is %s %v %x, want %s %v %x", name, n, a.DType, a.Shape, a.Data, b.DType, b.Shape, b.Data)
			}
		}
	}
}

// TestTorchMapped makes sure that tensors are parts of the mapping, not copies.
func TestTorchMapped(t *testing.T) {
	f, err := OpenFile(torchFiles + "state_dict.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw, _ := f.Tensor("linear.weight")
	if &f.mapping[bytes.Index(f.mapping, raw.Data)] != &raw.Data[0] {
		t.Fatal("the tensor was copied")
	}
}

func TestTorchErrors(t *testing.T) {
	for name, want := range map[string]string{
		"module.bin": `the global "torch.nn.modules.linear.Linear" is refused: weights do not need it (flow reads weights of torch files and runs nothing in them`,
		"gaps.bin":   `gaps.bin: tensor "w": strides [20 5] of shape [3 4] leave gaps`,
	} {
		if _, err := OpenFile(torchFiles + name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
}

// TestTorchCut cuts a mapped file: reading it is an error that names it, as with safetensors.
func TestTorchCut(t *testing.T) {
	data, err := os.ReadFile(torchFiles + "state_dict.bin")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "w.bin")
	writeTo(t, path, data)
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	writeTo(t, path, data[:100])
	if err := f.Verify(); err == nil || !strings.Contains(err.Error(), "w.bin: the file changed while it was in use") {
		t.Fatalf("got %v", err)
	}
}

// TestBinFolder loads a component whose weights are torch's, alone and in shards, with the digest of the same tensors in safetensors.
func TestBinFolder(t *testing.T) {
	digest := func(dir string) Digest {
		t.Helper()
		writeTo(t, filepath.Join(dir, "model_index.json"), []byte(`{"_class_name": "StableDiffusionXLPipeline"}`))
		writeTo(t, filepath.Join(dir, "unet", "config.json"), []byte(`{}`))
		m, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		c, err := m.Component("unet")
		if err != nil {
			t.Fatal(err)
		}
		d, err := c.Digest(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	link := func(dir, name, file string) {
		t.Helper()
		data, err := os.ReadFile(torchFiles + file)
		if err != nil {
			t.Fatal(err)
		}
		writeTo(t, filepath.Join(dir, "unet", name), data)
	}
	plain, bin, shards := t.TempDir(), t.TempDir(), t.TempDir()
	link(plain, "diffusion_pytorch_model.safetensors", "views.safetensors")
	link(plain, "diffusion_pytorch_model.bin", "nested.bin") // safetensors come first
	link(bin, "diffusion_pytorch_model.bin", "views.bin")
	link(shards, "one.bin", "views.bin")
	writeTo(t, filepath.Join(shards, "unet", "diffusion_pytorch_model.bin.index.json"),
		[]byte(`{"weight_map": {"part": "one.bin", "row": "one.bin", "twice": "one.bin", "again": "one.bin", "transposed": "one.bin", "column": "one.bin"}}`))
	want := digest(plain)
	for _, dir := range []string{bin, shards} {
		if got := digest(dir); got != want {
			t.Errorf("digest %s, want %s", got, want)
		}
	}
}
