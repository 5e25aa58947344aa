package weights

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenPart(t *testing.T) {
	want := digest(t, part(t, openModel(t, castle, Options{}), "vae"))
	for _, path := range []string{castle, filepath.Join(castle, "vae")} {
		m, err := OpenPart(path, "vae", Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := digest(t, part(t, m, "vae")); got != want {
			t.Errorf("%s: digest %s; want %s", path, got, want)
		}
		_, err = m.Component("unet")
		if alone := path != castle; alone != (err != nil) || alone && !strings.Contains(err.Error(), "is a vae alone and has no unet") {
			t.Errorf("%s: error %v", path, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := OpenPart(t.TempDir(), "vae", Options{}); err == nil || !strings.Contains(err.Error(), "model_index.json: the model lacks this file") {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestForceZeros(t *testing.T) {
	tensors, _ := castleTensors(t)
	single := filepath.Join(t.TempDir(), "castle.safetensors")
	writeSingle(t, single, singleFileGolden(t, "sdxl"), tensors)
	for index, want := range map[string]bool{"": true, `, "force_zeros_for_empty_prompt": true`: true, `, "force_zeros_for_empty_prompt": false`: false} {
		dir := t.TempDir()
		writeTo(t, filepath.Join(dir, "model_index.json"), []byte(`{"_class_name": "StableDiffusionXLPipeline"`+index+`}`))
		for _, m := range []*Model{openModel(t, dir, Options{}), openModel(t, single, Options{Config: dir})} {
			if got, err := m.ForceZeros(); got != want || err != nil {
				t.Errorf("%s of %s: %v, error %v; want %v", index, m.Path(), got, err, want)
			}
		}
		if err := os.Remove(filepath.Join(dir, "model_index.json")); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := openModel(t, single, Options{}).ForceZeros(); !got || err != nil {
		t.Errorf("a single file: %v, error %v", got, err)
	}
}
