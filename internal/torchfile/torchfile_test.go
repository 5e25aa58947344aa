package torchfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func tensors(data []byte) ([]Tensor, error) {
	return Read(bytes.NewReader(data), int64(len(data)))
}

// TestRefused has files that torch.save writes and that are more, or less, than weights.
func TestRefused(t *testing.T) {
	for name, want := range map[string]string{
		"module.bin":     `data.pkl: byte 2 of the pickle: the global "torch.nn.modules.linear.Linear" is refused`,
		"script.pt":      "a compiled TorchScript model",
		"protocol4.bin":  "protocol 4 is refused: torch.save writes 2",
		"compressed.bin": "is compressed, which torch.save does not do",
		"gaps.bin":       "leave gaps or overlap; save it after .contiguous()",
		"expanded.bin":   "has more elements than its storage",
	} {
		_, err := tensors(read(t, name))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
}

func TestNested(t *testing.T) {
	list, err := tensors(read(t, "nested.bin"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range list {
		names = append(names, x.Name)
	}
	if got := strings.Join(names, " "); got != "image_proj.proj.weight ip_adapter.1.to_k_ip.weight ip_adapter.1.to_v_ip.weight" {
		t.Fatalf("got %s", got)
	}
}

// member is a file of an archive.
type member struct {
	name, data string
	method     uint16
}

// archive makes a zip archive.
func archive(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, m := range members {
		f, err := w.CreateHeader(&zip.FileHeader{Name: m.name, Method: m.method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(m.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func uni(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func num(n uint32) string { return "J" + string(binary.LittleEndian.AppendUint32(nil, n)) }

// dict is the pickle of {"w": tensor} over a storage of so many floats.
func dict(elements, offset uint32, shape, stride []uint32) string {
	tuple := func(v []uint32) string {
		s := "("
		for _, n := range v {
			s += num(n)
		}
		return s + "t"
	}
	return "\x80\x02}" + uni("w") + "ctorch._utils\n_rebuild_tensor_v2\n((" + uni("storage") + "ctorch\nFloatStorage\n" + uni("0") + uni("cpu") +
		num(elements) + "tQ" + num(offset) + tuple(shape) + tuple(stride) + "\x89}tRs."
}

// TestTampered has archives that are no more than their pickle and storage, with one thing wrong.
func TestTampered(t *testing.T) {
	floats := strings.Repeat("\x00\x00\x80\x3f", 6)
	fine := dict(6, 0, []uint32{2, 3}, []uint32{3, 1})
	pickle := func(p string) []member {
		return []member{{"a/data.pkl", p, zip.Store}, {"a/data/0", floats, zip.Store}}
	}
	if list, err := tensors(archive(t, pickle(fine)...)); err != nil || len(list) != 1 || list[0].End-list[0].Begin != 24 {
		t.Fatalf("the untampered archive: %v, %v", list, err)
	}
	for want, members := range map[string][]member{
		"beyond its storage of 6":                   pickle(dict(6, 1, []uint32{2, 3}, []uint32{3, 1})),
		"where 7 of F32 were promised":              pickle(dict(7, 0, []uint32{7}, []uint32{1})),
		"has more elements than its storage":        pickle(dict(6, 0, []uint32{1 << 30, 1 << 30, 1 << 30}, []uint32{1, 1, 1})),
		"leave gaps or overlap":                     pickle(dict(6, 0, []uint32{2, 3}, []uint32{0, 1})),
		"strides [1 1] of shape [2 3] leave gaps":   pickle(dict(6, 0, []uint32{2, 3}, []uint32{1, 1})),
		"9 dimensions":                              pickle(dict(6, 0, make([]uint32, 9), make([]uint32, 9))),
		"does not hold a dict":                      pickle("\x80\x02]."),
		"holds no tensors":                          pickle("\x80\x02}" + uni("epoch") + "K\x01s."),
		"more than 8 dicts within dicts":            pickle("\x80\x02}q\x00" + uni("self") + "h\x00s."),
		"something follows the pickle's end":        pickle(fine + "\x80\x02cos\nsystem\n."),
		`the global "os.system" is refused`:         pickle("\x80\x02}" + uni("w") + "cos\nsystem\n" + uni("id") + "\x85Rs."),
		`its storage "0" is not in the file`:        {{"a/data.pkl", fine, zip.Store}},
		"without data.pkl":                          {{"a/readme.txt", "x", zip.Store}},
		`byte order "big" is not little`:            append(pickle(fine), member{"a/byteorder", "big", zip.Store}),
		`the archive holds "a/data/0" twice`:        append(pickle(fine), member{"a/data/0", floats, zip.Store}),
		"the archive holds data.pkl twice":          append(pickle(fine), member{"b/data.pkl", fine, zip.Store}),
		"outside its folder":                        append(pickle(fine), member{"../x", "", zip.Store}),
		"is compressed":                             {{"a/data.pkl", fine, zip.Deflate}, {"a/data/0", floats, zip.Deflate}},
		"more than 33554432 bytes are not accepted": {{"a/data.pkl", "\x80\x02" + uni(strings.Repeat("x", 40<<20)) + ".", zip.Deflate}},
	} {
		_, err := tensors(archive(t, members...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// TestOverlap points the directory entry of a second storage at the first one's bytes.
func TestOverlap(t *testing.T) {
	floats := strings.Repeat("\x00\x00\x80\x3f", 6)
	data := archive(t, member{"a/data.pkl", dict(6, 0, []uint32{6}, []uint32{1}), zip.Store}, member{"a/data/0", floats, zip.Store}, member{"a/data/1", floats, zip.Store})
	first, second := directoryEntry(data, "a/data/0"), directoryEntry(data, "a/data/1")
	copy(data[second+42:second+46], data[first+42:first+46])
	if _, err := tensors(data); err == nil || !strings.Contains(err.Error(), "two storages share") {
		t.Fatalf("got %v", err)
	}
}

// directoryEntry is the place of a file's entry in the directory at an archive's end.
func directoryEntry(data []byte, name string) int { return bytes.LastIndex(data, []byte(name)) - 46 }

// TestCut cuts files at every length: an error each time, never tensors that are not there.
func TestCut(t *testing.T) {
	for _, name := range []string{"nested.bin", "legacy.bin"} {
		data := read(t, name)
		for n := range data {
			if list, err := tensors(data[:n]); err == nil {
				t.Fatalf("%s: %d bytes of %d give %d tensors", name, n, len(data), len(list))
			}
		}
	}
}

// TestManyFiles has a directory beyond what is read.
func TestManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("makes an archive of 34 MB")
	}
	var members []member
	for range 1000 {
		members = append(members, member{"a/" + strings.Repeat("x", 40_000), "", zip.Store})
	}
	if _, err := tensors(archive(t, members...)); err == nil || !strings.Contains(err.Error(), "a zip directory of more than") {
		t.Fatalf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"nested.bin", "legacy.bin", "views.bin", "module.bin"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := tensors(data)
		if err != nil {
			return
		}
		seen := make(map[string]bool)
		for _, x := range list {
			n := sizes[x.DType]
			for _, d := range x.Shape {
				n *= d
			}
			if seen[x.Name] || x.Begin < 0 || x.End > int64(len(data)) || x.End-x.Begin != n {
				t.Fatalf("%+v in a file of %d bytes", x, len(data))
			}
			seen[x.Name] = true
			if got := int64(len(x.Gather(data[x.Begin:x.End]))); got != n {
				t.Fatalf("%+v: %d bytes gathered", x, got)
			}
		}
	})
}
