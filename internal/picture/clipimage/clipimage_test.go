package clipimage_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/picture"
	"github.com/seed-8af8f8e1/flow/internal/picture/clipimage"
)

// golden is testdata/clipimage.json, made by internal/tools/goldens/clipimage.py.
type golden struct {
	Configs map[string]string
	Made    []struct {
		Seed        int
		Size, Shape [2]int
		Config      string
		FP32        string
	}
	Files []struct {
		Name, Convention string
		Shape            [2]int
		FP32             string
	}
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/clipimage.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func digest(values []float32) string {
	h := sha256.New()
	for _, v := range values {
		h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// noise is that of picture.py.
func noise(width, height, seed int) *picture.Image8 {
	m := picture.New(width, height)
	for i := range m.Pix {
		v := (uint32(i) + uint32(seed*7919)) * 2654435761
		v = (v ^ v>>15) * 2246822519
		m.Pix[i] = byte(v >> 24)
	}
	return m
}

func TestPreprocessIsTheReference(t *testing.T) {
	g := readGolden(t)
	if len(g.Made) < 90 {
		t.Errorf("only %d rows", len(g.Made))
	}
	for _, row := range g.Made {
		cfg := clipimage.Squeezed(224)
		if row.Config != "refiners" {
			var err error
			if cfg, err = clipimage.ParseConfig([]byte(g.Configs[row.Config])); err != nil {
				t.Fatalf("%s: %v", row.Config, err)
			}
		}
		out, err := clipimage.Preprocess(noise(row.Size[0], row.Size[1], row.Seed), cfg)
		if err != nil {
			t.Errorf("%v by %s: %v", row.Size, row.Config, err)
			continue
		}
		if [2]int{out.Height, out.Width} != row.Shape || digest(out.Data) != row.FP32 {
			t.Errorf("%v by %s: %d x %d values that are not the reference's %v", row.Size, row.Config, out.Height, out.Width, row.Shape)
		}
	}
}

// TestFilesArePreprocessedAsTheReference goes from the files of ../testdata to the encoder's input, and logs a row for each format and convention.
func TestFilesArePreprocessedAsTheReference(t *testing.T) {
	type key struct{ convention, format string }
	equal, total := map[key]int{}, map[key]int{}
	type convention struct {
		picture.Options
		clipimage.Config
	}
	conventions := map[string]convention{
		"diffusers": {picture.Options{Orient: true, Alpha: picture.AlphaKey}, clipimage.Default(64)}, "refiners": {Config: clipimage.Squeezed(64)},
	}
	for _, f := range readGolden(t).Files {
		format, _, _ := strings.Cut(f.Name, "-")
		k := key{f.Convention, format}
		total[k]++
		c := conventions[f.Convention]
		data, err := os.ReadFile(filepath.Join("..", "testdata", "files", f.Name))
		if err != nil {
			t.Fatal(err)
		}
		m, err := picture.Decode(data, c.Options)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		out, err := clipimage.Preprocess(m, c.Config)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if [2]int{out.Height, out.Width} != f.Shape || digest(out.Data) != f.FP32 {
			t.Errorf("%s by %s: not the reference's values", f.Name, f.Convention)
			continue
		}
		equal[k]++
	}
	for _, convention := range []string{"diffusers", "refiners"} {
		for _, format := range []string{"png", "jpeg", "webp"} {
			k := key{convention, format}
			t.Logf("from %s, by %s: %d of %d pictures equal in every bit of fp32", format, convention, equal[k], total[k])
			if total[k] < 30 {
				t.Errorf("only %d pictures from %s by %s", total[k], format, convention)
			}
		}
	}
}

func TestBadConfigs(t *testing.T) {
	for _, c := range []struct{ config, says string }{
		{`{`, "unexpected end"},
		{`{"resample": 2}`, "resample is 2"},
		{`{"size": {"longest_edge": 224}}`, "longest_edge"},
		{`{"size": 0}`, "size is 0"},
		{`{"size": {"shortest_edge": 224, "height": 3}}`, "shortest_edge"},
		{`{"size": {"height": 3}}`, "height and width"},
		{`{"crop_size": {"shortest_edge": 224}}`, "crop_size"},
		{`{"crop_size": 100000}`, "crop_size is 100000"},
		{`{"image_mean": [0.5]}`, "image_mean has 1"},
		{`{"image_std": [1, 0, 1]}`, "image_std is zero"},
	} {
		if _, err := clipimage.ParseConfig([]byte(c.config)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want an error that says %q", c.config, err, c.says)
		}
	}
}

func TestLongPictureIsRefused(t *testing.T) {
	_, err := clipimage.Preprocess(noise(200000, 1, 0), clipimage.Default(224))
	if err == nil || !strings.Contains(err.Error(), "200000 x 1 pixels") {
		t.Errorf("%v; want an error that says the size", err)
	}
}
