package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/noise"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/tokenizer"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

const testdata = "internal/sdxl/testdata"

// versions reads who made the goldens of sampling runs; all must be of the same versions.
func versions(root string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(root, testdata, "*", "*.safetensors"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no goldens below %s; run at the top of the repository or give -root", filepath.Join(root, testdata))
	}
	out := make(map[string]string)
	for _, path := range files {
		f, err := weights.OpenFile(path)
		if err != nil {
			return nil, err
		}
		for _, key := range []string{"torch", "diffusers", "transformers"} {
			v := f.Metadata()[key]
			if old, ok := out[key]; ok && old != v {
				return nil, fmt.Errorf("%s is made with %s %s, others with %s", path, key, v, old)
			}
			out[key] = v
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// exact compares what has to be equal: tokens and noise.
func exact(root string) ([]count, error) {
	var out []count
	for _, f := range folders {
		model, err := weights.Open(filepath.Join(root, f.path), weights.Options{})
		if err != nil {
			return nil, err
		}
		defer func() { _ = model.Close() }()
		for i, part := range []string{"tokenizer", "tokenizer_2"} {
			files, err := model.Tokenizer(part)
			if err != nil {
				return nil, err
			}
			c, err := tokens(files, i == 1, part, filepath.Join(root, testdata, f.name, "tokens.json"))
			if err != nil {
				return nil, err
			}
			c.What = fmt.Sprintf("token ids, %s of the %s", part, f.name)
			out = append(out, c)
		}
	}
	for i, part := range []string{"tokenizer", "tokenizer_2"} {
		c, err := tokens(nil, i == 1, part, filepath.Join(root, "internal/sdxl/tokenizer/testdata/public.json"))
		if err != nil {
			return nil, err
		}
		c.What = fmt.Sprintf("token ids, %s with the embedded public vocabulary", part)
		out = append(out, c)
	}
	draws, err := randn(filepath.Join(root, "internal/sdxl/noise/testdata/torch_cpu.json"))
	return append(out, draws...), err
}

func readRows[T any](path string) ([]T, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var golden struct{ Rows []T }
	if err := json.Unmarshal(data, &golden); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return golden.Rows, nil
}

// tokens encodes the texts of a golden.
func tokens(files map[string][]byte, second bool, key, path string) (count, error) {
	tok, err := tokenizer.ForModel(files, second, edition.Diffusers)
	if err != nil {
		return count{}, err
	}
	rows, err := readRows[map[string]string](path)
	if err != nil {
		return count{}, err
	}
	c := count{Compared: len(rows)}
	for _, row := range rows {
		ids, _ := tok.Encode(row["text"])
		if strings.Trim(fmt.Sprint(ids), "[]") != row[key] {
			c.Wrong++
		}
	}
	return c, nil
}

// randn draws the noises of a golden and compares all bits.
func randn(path string) ([]count, error) {
	rows, err := readRows[struct {
		DType, Seed, SHA256 string
		N                   int
	}](path)
	if err != nil {
		return nil, err
	}
	var out []count
	for _, d := range []noise.DType{noise.FP32, noise.FP16, noise.BF16} {
		name := [...]string{noise.FP32: "fp32", noise.FP16: "fp16", noise.BF16: "bf16"}[d]
		c := count{What: "torch.randn in " + name + " on the CPU, all bits"}
		for _, row := range rows {
			if row.DType != name {
				continue
			}
			seed, err := strconv.ParseUint(row.Seed, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			var bits []byte
			for _, x := range noise.TorchCPU(seed, row.N, d) {
				bits = binary.LittleEndian.AppendUint32(bits, math.Float32bits(x))
			}
			sum := sha256.Sum256(bits)
			c.Compared++
			if hex.EncodeToString(sum[:]) != row.SHA256 {
				c.Wrong++
			}
		}
		out = append(out, c)
	}
	return out, nil
}
