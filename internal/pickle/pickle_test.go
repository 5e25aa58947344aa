package pickle

import (
	"reflect"
	"testing"
)

// state is torch.nn.Linear(2, 3, bias=False).state_dict() as torch 2.15 pickles it.
const state = "\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x06\x00\x00\x00weightq\x02ctorch._utils\n_rebuild_tensor_v2\nq\x03((X\x07\x00\x00\x00storageq\x04" +
	"ctorch\nFloatStorage\nq\x05X\x01\x00\x00\x000q\x06X\x03\x00\x00\x00cpuq\x07K\x06tq\x08QK\x00K\x03K\x02\x86q\x09K\x02K\x01\x86q\x0a\x89h\x00)Rq\x0btq\x0cRq\x0ds}q\x0eX" +
	"\x09\x00\x00\x00_metadataq\x0fh\x00)Rq\x10X\x00\x00\x00\x00q\x11}q\x12X\x07\x00\x00\x00versionq\x13K\x01sssb."

func TestStateDict(t *testing.T) {
	v, n, err := Decode([]byte(state + "rest"))
	if err != nil || n != len(state) {
		t.Fatalf("%d bytes of %d, %v", n, len(state), err)
	}
	d, ok := v.(*Dict)
	if !ok || len(d.Keys) != 1 {
		t.Fatalf("got %v", v)
	}
	got, _ := d.Get("weight")
	want := &Tensor{Storage: Storage{Key: "0", DType: "F32", Elements: 6}, Shape: []int64{3, 2}, Stride: []int64{2, 1}}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func TestScalars(t *testing.T) {
	v, _, err := Decode([]byte("\x80\x02](K\x07M\x01\x02J\xfe\xff\xff\xffN\x88\x89\x8a\x00\x8a\x01\x80\x8a\x08\x01\x00\x00\x00\x00\x00\x00\x80G\x3f\xf8\x00\x00\x00\x00\x00\x00" + uni("é") + ")e."))
	if err != nil {
		t.Fatal(err)
	}
	want := []any{int64(7), int64(513), int64(-2), nil, true, false, int64(0), int64(-128), int64(-1<<63 + 1), 1.5, "é", Tuple{}}
	if got := v.(*List).Items; !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestErrorNamesThePlace(t *testing.T) {
	_, _, err := Decode([]byte("\x80\x02}cos\nsystem\n."))
	if want := `byte 3 of the pickle: the global "os.system" is refused: weights do not need it`; err == nil || err.Error() != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}
