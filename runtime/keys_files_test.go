package runtime_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// change gives one file another content.
func change(place, what, file string, data []byte) mutation {
	return mutation{place: place, what: what, files: map[string][]byte{file: data}}
}

// pictures changes every byte of the picture's file, most of which a checksum guards, and every pixel. A file is known by its bytes: of these none is idle.
func (l *lab) pictures(t *testing.T) []mutation {
	data := l.files[pictureFile]
	var out []mutation
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 1 << l.random.IntN(8)
		out = append(out, change(pictureFile, fmt.Sprintf("byte %d", i), pictureFile, changed))
	}
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Bounds().Dx() * m.Bounds().Dy() {
		x, y := i%m.Bounds().Dx(), i/m.Bounds().Dx()
		other := image.NewNRGBA(m.Bounds())
		copy(other.Pix, m.(*image.NRGBA).Pix)
		c := other.NRGBAAt(x, y)
		other.Set(x, y, color.NRGBA{c.R ^ 0x80, c.G, c.B, c.A})
		out = append(out, change(pictureFile, fmt.Sprintf("pixel %d, %d", x, y), pictureFile, pngOf(t, other)))
	}
	return out
}

// tensors changes each tensor of files: one bit of it, and where that shows nothing all its signs, and its size. A tensor counts as a whole: a bit of it may be rounded away.
func (l *lab) tensors(t *testing.T, files ...string) []mutation {
	var out []mutation
	for _, file := range files {
		tensors, metadata := opened(t, l.files[file])
		for _, name := range slices.Sorted(maps.Keys(tensors)) {
			x := tensors[name]
			with := func(what string, data []byte, spare bool) {
				other := maps.Clone(tensors)
				other[name] = tensor{x.dtype, x.shape, data}
				m := change(file+" "+name, what, file, safetensors(t, other, metadata))
				m.spare = spare
				out = append(out, m)
			}
			bit := l.random.IntN(8 * len(x.data))
			flipped := bytes.Clone(x.data)
			flipped[bit/8] ^= 1 << (bit % 8)
			with(fmt.Sprintf("bit %d", bit), flipped, false)
			if x.dtype != "F32" {
				continue
			}
			with("other signs", scaled(x.data, func(int) float32 { return -1 }), true)
			if len(x.data) > 4 { // no alpha
				with("much larger", scaled(x.data, func(i int) float32 { return float32(16 + i%7) }), true)
				with("so large that sums are rounded otherwise", scaled(x.data, func(i int) float32 { return float32(1e6 * (1 + i%7)) }), true)
			}
		}
	}
	return out
}

// scaled multiplies fp32 numbers.
func scaled(data []byte, by func(i int) float32) []byte {
	out := bytes.Clone(data)
	for i := range len(data) / 4 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(v*by(i)))
	}
	return out
}

// loras doubles the scale and halves all alphas, which are those of layers and in the header, of a LoRA in which each layer has one: strengths are the
// same, and what DoRA and a bias' difference make of the scale alone is not.
func (l *lab) loras(t *testing.T) []mutation {
	tensors, metadata := opened(t, l.files[loraFile])
	maps.DeleteFunc(tensors, func(name string, _ tensor) bool {
		return strings.HasSuffix(name, ".diff") || strings.HasPrefix(name, "lora_te2")
	})
	halved, meta := maps.Clone(tensors), maps.Clone(metadata)
	for name, x := range tensors {
		if strings.HasSuffix(name, ".alpha") {
			halved[name] = tensor{x.dtype, x.shape, scaled(x.data, func(int) float32 { return 0.5 })}
		}
	}
	meta["lora_adapter_metadata"] = strings.NewReplacer(`"unet.lora_alpha": 3`, `"unet.lora_alpha": 1.5`, `"text_encoder.lora_alpha": 5`, `"text_encoder.lora_alpha": 2.5`).Replace(meta["lora_adapter_metadata"])
	var out []mutation
	for _, merge := range []string{"false", "true"} {
		for scale, file := range map[string][]byte{"0.5": safetensors(t, tensors, metadata), "1": safetensors(t, halved, meta)} {
			m := change("scale and alphas", fmt.Sprintf("scale %s, merge %s", scale, merge), loraFile, file)
			m.text = fill(l.template, map[string]string{"scifi.scale": scale, "scifi.merge": merge})
			out = append(out, m)
		}
	}
	return out
}

// headers changes every entry of the headers' metadata, each field of the one that says alphas, the order of the tensors, and the files' names and layout.
func (l *lab) headers(t *testing.T) []mutation {
	var out []mutation
	for _, file := range weightFiles {
		tensors, metadata := opened(t, l.files[file])
		with := func(what, key string, value string) {
			changed := maps.Clone(metadata)
			changed[key] = value
			out = append(out, change(file+" header "+what, value, file, safetensors(t, tensors, changed)))
		}
		for _, key := range slices.Sorted(maps.Keys(metadata)) {
			if !strings.HasPrefix(metadata[key], "{") {
				with(key, key, metadata[key]+"7")
				continue
			}
			for _, f := range l.fields(t, []byte(metadata[key])) {
				with(key+" "+f.path, key, string(f.data))
			}
		}
		names := slices.Sorted(maps.Keys(tensors))
		slices.Reverse(names)
		one := func(what string, data []byte) { out = append(out, change(file+" "+what, what, file, data)) }
		one("in another order", inOrder(t, names, tensors, metadata, 0))
		one("with a longer header", inOrder(t, names, tensors, metadata, 64))
		more := maps.Clone(metadata)
		more["more"] = "of it"
		one("with an entry more", safetensors(t, tensors, more))
		one("written again", l.files[file])
		if file != loraFile { // whose header says alphas
			one("without metadata", safetensors(t, tensors, nil))
		}
	}
	return append(out, l.layouts(t)...)
}

// layouts gives the UNet's file another name, or another place with an index.
func (l *lab) layouts(t *testing.T) []mutation {
	tensors, metadata := opened(t, l.files[unetFile])
	names := slices.Sorted(maps.Keys(tensors))
	index := make(map[string]string)
	shards := make(map[string][]byte)
	for i, half := range [][]string{names[:len(names)/2], names[len(names)/2:]} {
		shard := fmt.Sprintf("diffusion_pytorch_model-%05d-of-00002.safetensors", i+1)
		for _, n := range half {
			index[n] = shard
		}
		shards["model/unet/"+shard] = inOrder(t, half, tensors, metadata, 0)
	}
	sharded := map[string][]byte{"model/unet/diffusion_pytorch_model.safetensors.index.json": encoded(t, map[string]any{"weight_map": index}), unetFile: nil}
	maps.Copy(sharded, shards)
	return []mutation{
		{place: "the UNet in shards", what: "shards", files: sharded},
		{place: "the UNet as a variant", what: "fp16", files: map[string][]byte{"model/unet/diffusion_pytorch_model.fp16.safetensors": l.files[unetFile], unetFile: nil}},
		{place: "the LoRA under another name", what: "another name", files: map[string][]byte{"other.safetensors": l.files[loraFile], loraFile: nil},
			text: strings.Replace(l.text, "{path: lora.safetensors}", "{path: other.safetensors}", 1)},
		{place: "the picture under another name", what: "another name", files: map[string][]byte{"other.png": l.files[pictureFile], pictureFile: nil},
			text: strings.Replace(l.text, "{path: picture.png}", "{path: other.png}", 1)},
	}
}
