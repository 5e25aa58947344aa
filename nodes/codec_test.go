package nodes

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/nlpodyssey/safetensors"
)

// samples are stored values of each type.
func samples() map[string]Value {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(shape ...int) Tensor {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := Tensor{Shape: shape, Data: make([]float32, n)}
		for i := range x.Data {
			x.Data[i] = math.Float32frombits(r.Uint32()) // all bits, also of NaNs and infinities
		}
		return x
	}
	pix := make([]byte, 3*7*5)
	for i := range pix {
		pix[i] = byte(r.Uint32())
	}
	return map[string]Value{
		"latents":      &Tensors{Of: LatentsType, List: map[string]Tensor{"latents": random(1, 3, 5, 4)}},
		"conditioning": &Tensors{Of: ConditioningType, List: map[string]Tensor{"context": random(1, 77, 9), "pooled": random(1, 9), "negative_context": random(1, 77, 9), "negative_pooled": random(1, 9)}},
		"large":        &Tensors{Of: LatentsType, List: map[string]Tensor{"latents": random(1, 90, 70, 4)}},
		"empty":        &Tensors{Of: LatentsType, List: map[string]Tensor{"none": random(2, 0)}},
		"picture":      &Image{Width: 7, Height: 5, Pix: pix},
		"grey":         &Image{Width: 2, Height: 1, Pix: []byte{9, 9, 9, 200, 200, 200}}, // an encoder might choose another form
	}
}

func TestEncodeDecode(t *testing.T) {
	for name, v := range samples() {
		media, data, err := Encode(v)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for range 5 { // no order of a map
			if _, again, err := Encode(v); err != nil || !bytes.Equal(again, data) {
				t.Fatalf("%s: encoded twice it has other bytes: %v", name, err)
			}
		}
		got, err := Decode(v.Type(), media, data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Digest() != v.Digest() || got.Type() != v.Type() || got.Bytes() != v.Bytes() {
			t.Errorf("%s comes back otherwise", name)
		}
	}
}

// TestDigestsFeelEverything that makes a value: each changed value has a digest of its own.
func TestDigestsFeelEverything(t *testing.T) {
	tensors := func(of Type, name string, shape []int, data ...float32) Value {
		return &Tensors{Of: of, List: map[string]Tensor{name: {shape, data}}}
	}
	values := []Value{
		tensors(LatentsType, "a", []int{1, 2}, 1, 2), tensors(ConditioningType, "a", []int{1, 2}, 1, 2), tensors(LatentsType, "b", []int{1, 2}, 1, 2),
		tensors(LatentsType, "a", []int{2, 1}, 1, 2), tensors(LatentsType, "a", []int{2}, 1, 2), tensors(LatentsType, "a", []int{1, 2}, 2, 1),
		tensors(LatentsType, "a", []int{1, 2}, 1, math.Nextafter32(2, 3)), tensors(LatentsType, "a", []int{2}, 0, 1),
		tensors(LatentsType, "a", []int{2}, float32(math.Copysign(0, -1)), 1), tensors(LatentsType, "a", []int{1}, 1),
		&Tensors{Of: LatentsType, List: map[string]Tensor{"a": {[]int{1}, []float32{1}}, "b": {[]int{1}, []float32{2}}}},
		&Tensors{Of: LatentsType, List: map[string]Tensor{"a": {[]int{1}, []float32{2}}, "b": {[]int{1}, []float32{1}}}},
		&Tensors{Of: LatentsType},
		&Image{1, 2, []byte{1, 2, 3, 4, 5, 6}}, &Image{2, 1, []byte{1, 2, 3, 4, 5, 6}}, &Image{2, 1, []byte{1, 2, 3, 4, 5, 7}},
	}
	seen := make(map[Digest]int)
	for i, v := range values {
		if j, ok := seen[v.Digest()]; ok {
			t.Errorf("values %d and %d have one digest", i, j)
		}
		seen[v.Digest()] = i
	}
}

// TestDigestIsPinned since records on disk carry it.
func TestDigestIsPinned(t *testing.T) {
	for want, v := range map[string]Value{
		"ea5a8f7aa33ea8ca054229cd939e50eb2ce819173a67cc3c09add8a7f3a56848": &Tensors{Of: LatentsType, List: map[string]Tensor{"latents": {[]int{1, 1, 2, 1}, []float32{1, -0.5}}}},
		"a8b15ce94b29a6e959d5289797c88f0a4bb2d2d81ac2fe634c6cfb90add08e9a": &Image{2, 1, []byte{1, 2, 3, 4, 5, 6}},
	} {
		if got := v.Digest().String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestDecodeDamage: damaged bytes give an error or another digest, never a panic or the same value.
func TestDecodeDamage(t *testing.T) {
	for name, v := range samples() {
		if name == "large" {
			continue
		}
		media, data, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		try := func(what string, i int, damaged []byte) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s, %s at %d: panic: %v", name, what, i, p)
				}
			}()
			got, err := Decode(v.Type(), media, damaged)
			if err == nil && got.Digest() == v.Digest() && what == "cut" {
				t.Errorf("%s, %s at %d: decodes to the same", name, what, i)
			}
		}
		for i := 0; i < len(data); i += 1 + len(data)/300 {
			try("cut", i, data[:i])
			flipped := bytes.Clone(data)
			flipped[i] ^= 0x55
			try("flipped", i, flipped)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	_, picture, _ := Encode(samples()["picture"])
	_, latents, _ := Encode(samples()["latents"])
	view, err := safetensors.NewTensorView(safetensors.F16, []uint64{2}, make([]byte, 4))
	if err != nil {
		t.Fatal(err)
	}
	half, err := safetensors.Serialize(map[string]safetensors.TensorView{"x": view}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		t     Type
		media string
		data  []byte
	}{{LatentsType, MediaPNG, picture}, {ImageType, MediaSafetensors, latents}, {LatentsType, "zip", latents}, {ImageType, "zip", picture},
		{LatentsType, MediaSafetensors, picture}, {ImageType, MediaPNG, latents}, {LatentsType, MediaSafetensors, half}, {LatentsType, MediaSafetensors, nil}} {
		if v, err := Decode(tt.t, tt.media, tt.data); err == nil {
			t.Errorf("%s from %s: %v", tt.t, tt.media, v)
		}
	}
	for _, v := range []Value{&Image{2, 2, make([]byte, 11)}, &Image{0, 2, nil}, &Tensors{List: map[string]Tensor{"x": {[]int{3}, make([]float32, 2)}}}, nil} {
		if _, _, err := Encode(v); err == nil {
			t.Errorf("%v was encoded", v)
		}
	}
}

// TestHalf: numbers that fp16 has come back as they were, others as the nearest.
func TestHalf(t *testing.T) {
	in := map[string]Tensor{"a": {Shape: []int{2, 2}, Data: []float32{1, -0.5, 65504, 0.333251953125}}, "b": {Shape: []int{1}, Data: []float32{1.0003}}}
	data, err := EncodeHalf(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := DecodeHalf(data)
	if err != nil {
		t.Fatal(err)
	}
	in["b"] = Tensor{Shape: []int{1}, Data: []float32{1}}
	if !reflect.DeepEqual(in, out) {
		t.Errorf("%v, want %v", out, in)
	}
	for i := range data {
		_, _ = DecodeHalf(data[:i]) // must not panic
	}
	if _, full, err := Encode(&Tensors{Of: LatentsType, List: in}); err != nil {
		t.Error(err)
	} else if _, err := DecodeHalf(full); err == nil {
		t.Error("fp32 passes for fp16")
	}
}
