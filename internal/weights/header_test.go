package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// good is an entry of 8 bytes.
const good = `"a":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}`

// openMeasured opens path and fails when it takes a second.
func openMeasured(t *testing.T, path string) (*File, error) {
	t.Helper()
	best := time.Hour
	for range 5 { // the machine may be busy with something else
		began := time.Now()
		f, err := OpenFile(path)
		best = min(best, time.Since(began))
		if best <= time.Second || underRace {
			return f, err
		}
		if err == nil {
			_ = f.Close()
		}
	}
	t.Errorf("it took %v", best)
	return OpenFile(path)
}

func TestHostileHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		data   int
		tensor string // named by the error
		want   string
	}{
		"not an object":       {`[]`, 0, "", `'[' where '{' should be`},
		"empty":               {``, 0, "", `ends where '{' should be`},
		"text after":          {`{}x`, 0, "", "something follows the header's end"},
		"not UTF-8":           {"{\"\xff\":1}", 0, "", "not UTF-8"},
		"cut string":          {`{"a`, 0, "", "ends inside a string"},
		"cut escape":          {`{"a\`, 0, "", "ends inside a string"},
		"control character":   {"{\"a\n\":1}", 0, "", "control character"},
		"bad escape":          {`{"a\q":1}`, 0, "", "bad string"},
		"duplicate":           {`{` + good + `,` + good + `}`, 8, "a", "stands twice in the header"},
		"duplicate, escaped":  {`{` + good + `,` + strings.Replace(good, `"a"`, `"\u0061"`, 1) + `}`, 8, "a", "stands twice in the header"},
		"two metadata":        {`{"__metadata__":{},"__metadata__":{}}`, 0, "__metadata__", "stands twice"},
		"metadata of numbers": {`{"__metadata__":{"a":1}}`, 0, "", `'1' where '"' should be`},
		"metadata twice":      {`{"__metadata__":{"a":"1","a":"2"}}`, 0, "", `__metadata__ has "a" twice`},
		"no dtype":            {`{"a":{"shape":[2],"data_offsets":[0,4]}}`, 4, "a", "dtype, shape or data_offsets is missing"},
		"field twice":         {`{"a":{"dtype":"F16","dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, "a", "dtype stands twice"},
		"unknown field":       {`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4],"strides":[1]}}`, 4, "a", `unknown field "strides"`},
		"long dtype":          {`{"a":{"dtype":"` + strings.Repeat("F", 17) + `"}}`, 0, "a", "dtype of 17 bytes"},
		"three offsets":       {`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4,8]}}`, 4, "a", "more than 2 numbers"},
		"one offset":          {`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0]}}`, 4, "a", "data_offsets has 1 numbers"},
		"many dimensions":     {`{"a":{"dtype":"F16","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,2]}}`, 2, "a", "more than 8 numbers"},
		"negative dimension":  {`{"a":{"dtype":"F16","shape":[-2],"data_offsets":[0,4]}}`, 4, "a", "a whole number of at least 0 should be here"},
		"fraction":            {`{"a":{"dtype":"F16","shape":[2.0],"data_offsets":[0,4]}}`, 4, "a", `'.' where ',' should be`},
		"exponent":            {`{"a":{"dtype":"F16","shape":[2e0],"data_offsets":[0,4]}}`, 4, "a", `'e' where ',' should be`},
		"leading zero":        {`{"a":{"dtype":"F16","shape":[02],"data_offsets":[0,4]}}`, 4, "a", "leading zero"},
		"huge dimension":      {`{"a":{"dtype":"F16","shape":[18446744073709551618],"data_offsets":[0,4]}}`, 4, "a", "number too large"},
		"product overflows":   {`{"a":{"dtype":"F16","shape":[4294967296,4294967296,2],"data_offsets":[0,4]}}`, 4, "a", "too many elements"},
		"bytes overflow":      {`{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}`, 0, "a", "does not take the 0 bytes"},
		"shape too large":     {`{"a":{"dtype":"F16","shape":[3,2],"data_offsets":[0,8]}}`, 8, "a", "shape [3 2] of F16 does not take the 8 bytes"},
		"backwards":           {`{"a":{"dtype":"F16","shape":[2],"data_offsets":[4,0]}}`, 4, "a", "run backwards"},
		"gap at the start":    {`{"a":{"dtype":"F16","shape":[2],"data_offsets":[4,8]}}`, 8, "a", "leaves a gap after 0"},
		"gap":                 {`{` + good + `,"b":{"dtype":"F16","shape":[2],"data_offsets":[12,16]}}`, 16, "b", "leaves a gap after 8"},
		"overlap":             {`{` + good + `,"b":{"dtype":"F16","shape":[2],"data_offsets":[6,10]}}`, 10, "b", `overlaps tensor "a"`},
		"same data":           {`{` + good + `,` + strings.Replace(good, `"a"`, `"b"`, 1) + `}`, 8, "b", `overlaps tensor "a"`},
		"truncated data":      {`{` + good + `}`, 7, "a", "ends at byte 8 of 7: the file is truncated"},
		"trailing data":       {`{` + good + `}`, 9, "", "1 bytes after the last tensor belong to none"},
		"unknown type, range": {`{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,9]}}`, 8, "a", "ends at byte 9 of 8"},
		"nested":              {`{"a":` + strings.Repeat("[", 1<<20), 0, "a", `'[' where '{' should be`},
		"long name":           {`{"` + strings.Repeat("a", 1<<20) + `":1}`, 0, strings.Repeat("a", 1<<20), `'1' where '{' should be`},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeRaw(t, c.header, make([]byte, c.data))
			f, err := openMeasured(t, path)
			if err == nil {
				t.Fatalf("accepted: %v; want %q", errors.Join(f.Close()), c.want)
			}
			var e *Error
			if !errors.As(err, &e) || e.File != path || e.Tensor != c.tensor || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 2000 {
				t.Errorf("error %.300s\nwant %q and tensor %.20q", err, c.want, c.tensor)
			}
		})
	}
}

// many makes a header of n tensors without elements with names that are padded by pad bytes.
func many(n, pad int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%0*d":{"dtype":"F32","shape":[0,1,1,1,1,1,1,1],"data_offsets":[0,0]}`, pad, i)
	}
	b.WriteByte('}')
	return b.String()
}

func skipUnderRace(t *testing.T) {
	t.Helper()
	if underRace {
		t.Skip("what is tested are bounds of time and memory")
	}
}

func TestLargeHeaders(t *testing.T) {
	skipUnderRace(t)
	path := writeRaw(t, many(maxTensors+1, 88), nil)
	checkMemory(t, path, "are not accepted")
	if _, err := openMeasured(t, path); err == nil || !strings.Contains(err.Error(), "more than 100000 tensors are not accepted") {
		t.Errorf("100,001 tensors: %v", err)
	}
	var meta strings.Builder
	meta.WriteString(`{"__metadata__":{"x":""`)
	for i := range 1_000_000 {
		fmt.Fprintf(&meta, `,"%d":""`, i)
	}
	path = writeRaw(t, meta.String()+"}}", nil)
	checkMemory(t, path, "more than 10000 entries")
	if _, err := openMeasured(t, path); err == nil || !strings.Contains(err.Error(), "more than 10000 entries") {
		t.Errorf("a million metadata: %v", err)
	}
	for _, n := range []uint64{maxHeader + 1, 1 << 40, 1<<64 - 1} {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		writeTo(t, path, binary.LittleEndian.AppendUint64(nil, n))
		if err := os.Truncate(path, 64<<20); err != nil {
			t.Fatal(err)
		}
		if _, err := openMeasured(t, path); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("header of %d bytes: more than 16777216 are not accepted", n)) {
			t.Errorf("header of %d bytes: %v", n, err)
		}
	}
	for size, want := range map[int]string{0: "the file is empty", 7: "7 bytes are too few", 8: "header of 100 bytes in a file of 8: the file is truncated"} {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		writeTo(t, path, binary.LittleEndian.AppendUint64(nil, 100)[:size])
		if _, err := openMeasured(t, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestLargestHeader shows that the largest header that passes is read within the same bounds.
func TestLargestHeader(t *testing.T) {
	skipUnderRace(t)
	header := many(maxTensors, 88)
	if len(header) > maxHeader || len(header) < maxHeader*9/10 {
		t.Fatalf("header of %d bytes", len(header))
	}
	path := writeRaw(t, header, nil)
	f, err := openMeasured(t, path)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Names()) != maxTensors {
		t.Errorf("%d tensors", len(f.Names()))
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	checkMemory(t, path, "opened")
}

func TestNotARegularFile(t *testing.T) {
	for _, path := range []string{t.TempDir(), os.DevNull, filepath.Join(t.TempDir(), "missing")} {
		if _, err := OpenFile(path); err == nil || !strings.Contains(err.Error(), path+": cannot open the weights") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestWellFormed reads escapes, metadata, padding, scalars, empty tensors and unknown types.
func TestWellFormed(t *testing.T) {
	header := `{ "__metadata__" : {"format":"pt","\u00e9":"\n"}, "caf\u00e9":{"data_offsets":[0,4],"shape":[],"dtype":"F32"},` +
		`"e":{"dtype":"BF16","shape":[0,7],"data_offsets":[4,4]},"q":{"dtype":"F4_X","shape":[3],"data_offsets":[4,6]},` +
		`"u":{"dtype":"U16","shape":[1],"data_offsets":[6,8]}}   `
	f, err := OpenFile(writeRaw(t, header, []byte{1, 2, 3, 4, 5, 6, 7, 8}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	if got := fmt.Sprint(f.Names(), f.Metadata()); got != "[café e q u] map[format:pt é:\n]" {
		t.Errorf("names and metadata: %s", got)
	}
	for name, want := range map[string]string{"café": "{F32 [] [1 2 3 4]}", "e": "{BF16 [0 7] []}", "q": "{F4_X [3] [5 6]}", "u": "{U16 [1] [7 8]}"} {
		if raw, ok := f.Tensor(name); !ok || fmt.Sprint(raw) != want {
			t.Errorf("%s is %v; want %s", name, raw, want)
		}
	}
	if _, ok := f.Tensor("x"); ok {
		t.Error("a tensor that is not there is found")
	}
}

// FuzzHeader: any bytes give an error or tensors that lie in the file.
func FuzzHeader(f *testing.F) {
	f.Add(withLength(`{`+good+`}`, make([]byte, 8)))
	f.Add(withLength(`{"__metadata__":{"a":"b"},`+good+`,"b":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[8,9]}}  `, make([]byte, 9)))
	f.Add(withLength(`{"a":{"dtype":"F16","shape":[-1],"data_offsets":[0,1e3]}}`, nil))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, fmt.Sprintf("%d.safetensors", os.Getpid()))
		writeTo(t, path, data)
		file, err := OpenFile(path)
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		total := 0
		for _, name := range file.Names() {
			raw, ok := file.Tensor(name)
			if !ok {
				t.Errorf("%q is listed and not there", name)
			}
			total += len(raw.Data)
		}
		if n := int(binary.LittleEndian.Uint64(data)); total != len(data)-8-n {
			t.Errorf("tensors have %d bytes of %d", total, len(data)-8-n)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
}
