package jpeg

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInverseIsTheCosineTransform compares with float64 sums: the integer transform is off by at most one level.
func TestInverseIsTheCosineTransform(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	worst := 0.0
	for range 2000 {
		var table [64]int16
		var b block
		for i := range b {
			table[i] = int16(1 + random.IntN(20))
			if random.IntN(3) == 0 {
				b[i] = int16(random.IntN(9) - 4)
			}
		}
		b[0] = int16(random.IntN(80) - 40)
		var out [64]byte
		inverse(b[:], &table, out[:], 8)
		for i, v := range out {
			exact := min(255, max(0, cosine(&b, &table, i%8, i/8)+128))
			worst = max(worst, math.Abs(float64(v)-exact))
		}
	}
	if worst > 1 {
		t.Errorf("off by %v", worst)
	}
}

// cosine is one sample of the transform by its definition.
func cosine(b *block, table *[64]int16, x, y int) (sum float64) {
	scale := func(k int) float64 {
		if k == 0 {
			return math.Sqrt(1.0 / 8)
		}
		return 0.5
	}
	for v := range 8 {
		for u := range 8 {
			sum += scale(u) * scale(v) * float64(b[8*v+u]) * float64(table[8*v+u]) *
				math.Cos(float64(2*x+1)*float64(u)*math.Pi/16) * math.Cos(float64(2*y+1)*float64(v)*math.Pi/16)
		}
	}
	return sum
}

// TestHuffman decodes every symbol of a code that has all lengths.
func TestHuffman(t *testing.T) {
	counts := make([]byte, 16)
	values := make([]byte, 16)
	for i := range counts {
		counts[i], values[i] = 1, byte(100+i)
	}
	h, err := newHuffman(counts, values)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 16 {
		code := uint32(1<<(i+1)-2) << (31 - i) // i ones and a zero
		data := []byte{}
		for shift := 24; shift >= 0; shift -= 8 {
			v := byte(code >> shift)
			if data = append(data, v); v == 0xFF {
				data = append(data, 0)
			}
		}
		b := bits{data: data}
		if v, err := b.symbol(h); err != nil || v != values[i] || b.n < 0 {
			t.Errorf("code of length %d: %d, %v", i+1, v, err)
		}
	}
	b := bits{data: []byte{0xFF, 0, 0xFF, 0, 0xFF, 0}}
	if _, err := b.symbol(h); err == nil || !strings.Contains(err.Error(), "in no table") {
		t.Errorf("sixteen ones: %v", err)
	}
}

// TestDamage edits a whole file; every edit is an error that says what is wrong.
func TestDamage(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join("..", "testdata", "files", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	own, progressive := read("jpeg-own-restart.jpg"), read("jpeg-420-37x23-progressive.jpg")
	const sof, sos = "\xff\xc0\x00\x11\x08\x00\x27\x00\x35\x03\x01\x22\x00", "\xff\xda\x00\x0c\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00"
	if !strings.Contains(own, sof) || !strings.Contains(own, sos) {
		t.Fatal("the file is not as this test expects")
	}
	for _, c := range []struct{ file, from, to, says string }{
		{own, "\xff\xd8", "\xff\xd9", "no start marker"},
		{own, sof, sof[:5] + "\x00\x00" + sof[7:], "53 x 0 pixels"},
		{own, sof, sof[:9] + "\x02" + sof[10:], "2 components"},
		{own, sof, sof[:11] + "\x52\x00", "sampled 5 x 2"},
		{own, sof, sof[:11] + "\x02\x00", "sampled 0 x 2"},
		{own, sof, sof[:11] + "\x22\x03", "no quantization table 3"},
		{own, sof, sof[:10] + "\x02" + sof[11:], "numbered 2"},
		{own, sos, "\xff\xda\x00\x0c\x03\x01\x00\x01\x00\x03\x00\x00\x3f\x00", "scan of component 1"},
		{own, sos, "\xff\xda\x00\x0c\x03\x01\x20\x02\x00\x03\x00\x00\x3f\x00", "without its Huffman table"},
		{own, sos, "\xff\xda\x00\x0b\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00", "scan header of 9 bytes"},
		{own, "\xff\xd1", "\xff\xd5", "restart marker"},
		{own, "\xff\xd1", "", "restart marker"},
		{own, "\xff\xd1", "\xff\xd9", "restart marker"},
		{own, "\xff\xc4", "\xff\xc8", "Huffman table"},
		{own, "\xff\xdb\x00\x43\x00", "\xff\xdb\x00\x43\x04", "quantization table"},
		{own, "\xff\xdd\x00\x04", "\xff\xdd\x00\x01", "segment of length 1"},
		{own, sof, strings.Repeat(sof[:2]+"\x00\x11"+own[strings.Index(own, sof)+4:strings.Index(own, sof)+19], 2), "two frame headers"},
		{progressive, "\xff\xda\x00\x0c", "\xff\xdb\x00\x0c", "quantization table"},
	} {
		if !strings.Contains(c.file, c.from) {
			t.Fatalf("%q is not in the file", c.from)
		}
		data := strings.Replace(c.file, c.from, c.to, 1)
		if _, err := Decode([]byte(data)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q to %q: %v; want an error that says %q", c.from, c.to, err, c.says)
		}
	}
}

// TestUnfinishedProgression takes away a progressive file's last scans, which libjpeg would smooth over.
func TestUnfinishedProgression(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "testdata", "files", "jpeg-420-37x23-progressive.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	scans := strings.Split(string(data), "\xff\xda")
	if len(scans) < 5 {
		t.Fatalf("only %d scans", len(scans)-1)
	}
	for n := 2; n < len(scans); n++ {
		_, err := Decode([]byte(strings.Join(scans[:n], "\xff\xda") + "\xff\xd9"))
		if err == nil || !strings.Contains(err.Error(), "scans end before") {
			t.Errorf("%d of %d scans: %v", n-1, len(scans)-1, err)
		}
	}
	if _, err := Decode(data); err != nil {
		t.Errorf("the whole file: %v", err)
	}
}

// TestScansAreSentOnce repeats a scan: a small file cannot ask for endless work.
func TestScansAreSentOnce(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "testdata", "files", "jpeg-gray-progressive.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(data), "\xff\xda")
	first := string(data[at : at+2+strings.Index(string(data[at+2:]), "\xff\xda")])
	if _, err := Decode([]byte(string(data[:at]) + strings.Repeat(first, 2))); err == nil || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("a scan sent twice: %v", err)
	}
}
