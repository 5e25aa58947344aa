package convert

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// order has the element types as the safetensors library sorts them, the largest alignment first.
var order = []string{"U64", "I64", "F64", "C64", "F32", "U32", "I32", "BF16", "F16", "U16", "I16", "F8_E8M0", "F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL"}

// elementSizes has their sizes in bytes.
var elementSizes = map[string]int{"U64": 8, "I64": 8, "F64": 8, "C64": 8, "F32": 4, "U32": 4, "I32": 4, "BF16": 2, "F16": 2, "U16": 2, "I16": 2,
	"F8_E8M0": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1}

// write writes a safetensors file: beside its place, then moved there. It gives its size.
func write(ctx context.Context, path string, list []tensor, metadata map[string]string, opt Options) (size int64, err error) {
	if _, err := os.Lstat(path); err == nil && !opt.Overwrite {
		return 0, fmt.Errorf("%s is there already (--force writes over it)", path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	head, err := layout(list, metadata, opt.Half)
	if err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".flow-convert-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := w.Write(head); err != nil {
		return 0, err
	}
	for i := range list {
		if err := list[i].write(ctx, w, opt.Half); err != nil {
			return 0, err
		}
	}
	for _, step := range []func() error{w.Flush, func() error { return f.Chmod(0o644) }, f.Sync} {
		if err := step(); err != nil {
			return 0, err
		}
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if err := f.Close(); err != nil {
		return 0, err
	}
	return info.Size(), os.Rename(f.Name(), path)
}

// layout sorts the tensors and makes the header with its length.
func layout(list []tensor, metadata map[string]string, half bool) ([]byte, error) {
	if half {
		for i := range list {
			if isFloat(list[i].dtype) {
				list[i].half = list[i].dtype
				list[i].dtype = "F16"
			}
		}
	}
	for _, t := range list {
		if elementSizes[t.dtype] == 0 {
			return nil, fmt.Errorf("tensor %q has element type %s, which is not converted", t.name, t.dtype)
		}
	}
	slices.SortFunc(list, func(a, b tensor) int {
		if d := slices.Index(order, a.dtype) - slices.Index(order, b.dtype); d != 0 {
			return d
		}
		return strings.Compare(a.name, b.name)
	})
	var out bytes.Buffer
	out.WriteByte('{')
	if metadata != nil {
		out.WriteString(`"__metadata__":`)
		if err := encode(&out, metadata); err != nil {
			return nil, err
		}
	}
	at := int64(0)
	for i, t := range list {
		if i > 0 && t.name == list[i-1].name {
			return nil, fmt.Errorf("two tensors would have the name %q", t.name)
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		if err := encode(&out, t.name); err != nil {
			return nil, err
		}
		end := at + t.size()
		entry := struct {
			DType   string   `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}{t.dtype, append([]int{}, t.shape...), [2]int64{at, end}}
		out.WriteByte(':')
		if err := encode(&out, entry); err != nil {
			return nil, err
		}
		at = end
	}
	out.WriteByte('}')
	for out.Len()%8 != 0 {
		out.WriteByte(' ')
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(out.Len())), out.Bytes()...), nil
}

// encode writes JSON without the line feed and the escapes for HTML that the library would add.
func encode(out *bytes.Buffer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	out.Truncate(out.Len() - 1)
	return nil
}

// write writes a tensor's elements, block by block.
func (t *tensor) write(ctx context.Context, w *bufio.Writer, half bool) error {
	return t.file.Guard(func() error {
		data, err := t.bytes()
		if err != nil {
			return err
		}
		for block := range slices.Chunk(data, 1<<20) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if half && t.half != "" && t.half != "F16" {
				if block, err = toHalf(t.half, block); err != nil {
					return fmt.Errorf("%s: tensor %q: %w", t.file.Path(), t.name, err)
				}
			}
			if _, err := w.Write(block); err != nil {
				return err
			}
		}
		return nil
	})
}
