package bench

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/dustin/go-humanize"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// Sizes of the file of weights that is hashed: a matrix of an attention of SDXL has 0.8 to 3.3 MB in fp16, one of a feed-forward layer up to 26.
const (
	hashedTensors = 64
	hashedBytes   = 4 << 20 // of a tensor
)

func hashName(n int) string { return "SHA-256, " + workers(n) }

// hashing measures how quickly a file of weights in the page cache is hashed for its lock or an action's key, as a share of what SHA-256
// alone takes on all workers.
func (r *runner) hashing() (err error) {
	dir, err := os.MkdirTemp("", "flow-bench-")
	if err != nil {
		return fmt.Errorf("a folder for the file of weights to hash: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path, each := filepath.Join(dir, "weights.safetensors"), r.size(hashedBytes)
	if err := writeWeights(path, hashedTensors, each); err != nil {
		return fmt.Errorf("a file of weights to hash: %w; TMPDIR names another folder", err)
	}
	row := Row{Group: Ops, Name: fmt.Sprintf("hashing weights, %d tensors of %s", hashedTensors, humanize.IBytes(uint64(each))), Unit: Bytes, Work: float64(hashedTensors * each), Limit: hashName(runtime.GOMAXPROCS(0))}
	if row.Seconds, err = r.sample(row.Name, func() error { return r.hashFile(path) }); err != nil {
		return err
	}
	r.report.add(row)
	return nil
}

// hashFile opens a file of weights, hashes all of it and closes it: a component hashes once.
func (r *runner) hashFile(path string) (err error) {
	f, err := weights.OpenFile(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	c, err := weights.FromFile("bench", f, func(source string) []keymap.Target { return []keymap.Target{{Name: source}} })
	if err != nil {
		return err
	}
	_, err = c.Digest(r.ctx, nil)
	return err
}

// writeWeights writes n fp16 tensors of so many bytes each as safetensors.
func writeWeights(path string, n, each int) (err error) {
	type entry struct {
		DType   string `json:"dtype"`
		Shape   [1]int `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	entries := make(map[string]entry, n)
	for i := range n {
		entries[fmt.Sprintf("tensor.%02d", i)] = entry{"F16", [1]int{each / 2}, [2]int{i * each, (i + 1) * each}}
	}
	header, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)); err != nil {
		return err
	}
	data := randomHalves(each, 6)
	for range n {
		if _, err := f.Write(data); err != nil {
			return err
		}
	}
	return nil
}
