package noise

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"
)

func bytesOf(x []float32) []byte {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// Rows are made by internal/tools/goldens/noise.py.
func TestTorchCPU(t *testing.T) {
	data, err := os.ReadFile("testdata/torch_cpu.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Rows []struct {
			DType, Seed, Bits, SHA256 string
			N                         int
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Rows) < 200 {
		t.Fatalf("%d rows", len(golden.Rows))
	}
	types := map[string]DType{"fp32": FP32, "fp16": FP16, "bf16": BF16}
	for _, row := range golden.Rows {
		seed, err := strconv.ParseUint(row.Seed, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		x := TorchCPU(seed, row.N, types[row.DType])
		got := bytesOf(x)
		sum := sha256.Sum256(got)
		if hex.EncodeToString(sum[:]) == row.SHA256 {
			continue
		}
		wrong := 0
		want, _ := hex.DecodeString(row.Bits)
		for i := 0; i+4 <= len(want); i += 4 {
			if binary.LittleEndian.Uint32(want[i:]) != binary.LittleEndian.Uint32(got[i:]) {
				wrong++
			}
		}
		t.Errorf("%s, seed %s: %d elements differ (%d of %d shown ones)", row.DType, row.Seed, row.N, wrong, len(want)/4)
	}
}

func TestPhiloxIsNormalAndByElement(t *testing.T) {
	const n = 1 << 16
	x := Philox(42, 0, n)
	var sum, square float64
	for _, v := range x {
		sum += float64(v)
		square += float64(v) * float64(v)
	}
	if mean := sum / n; math.Abs(mean) > 0.02 {
		t.Errorf("mean %v", mean)
	}
	if variance := square / n; math.Abs(variance-1) > 0.02 {
		t.Errorf("variance %v", variance)
	}
	short := Philox(42, 0, 1001)
	for i, v := range short {
		if v != x[i] {
			t.Fatalf("element %d depends on the number of elements", i)
		}
	}
	other := Philox(42, 1, n)
	same := 0
	for i := range x {
		if x[i] == other[i] {
			same++
		}
	}
	if same > 10 {
		t.Errorf("%d elements of samples 0 and 1 are equal", same)
	}
	sum256 := sha256.Sum256(bytesOf(x[:4096]))
	if got := hex.EncodeToString(sum256[:8]); got != philoxDigest {
		t.Errorf("the stream of seed 42 begins with digest %s, was %s", got, philoxDigest)
	}
}

// philoxDigest pins the stream: pictures depend on it.
const philoxDigest = "408cbeed74c602e5"
