package provenance

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"slices"
	"strings"
	"testing"
)

// picture is a PNG file with chunks after its header.
func picture(t testing.TB, chunks ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	const head = 8 + 25
	out := append([]byte(nil), b.Bytes()[:head]...)
	for _, c := range chunks {
		out = append(out, c...)
	}
	return append(out, b.Bytes()[head:]...)
}

func chunk(kind, body string) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	out = append(out, kind+body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE([]byte(kind+body)))
}

func deflated(s string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.String()
}

func TestRecordComesBack(t *testing.T) {
	want := Record{Release: "v9", Numerics: "bf16@1", Output: "picture", Pixels: "00ff", Lock: "aa", Workflow: "flow: v1\nname: c\n",
		Actions: []Action{{"noise", "1234", json.RawMessage(`{"kind":"noise@1"}`), json.RawMessage(`{"model.unet":[]}`)}}}
	c, err := want.Chunk()
	if err != nil {
		t.Fatal(err)
	}
	file := picture(t, chunk("tEXt", "Software\x00flow"), c)
	if _, err := png.Decode(bytes.NewReader(file)); err != nil {
		t.Fatal("other readers do not take it:", err)
	}
	got, err := Read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	want.Format = 1
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(got)
	if !bytes.Equal(a, b) {
		t.Errorf("%s\nwant %s", b, a)
	}
	if _, err := Read(bytes.NewReader(picture(t))); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}

func TestLargeRecordsAreLeftOut(t *testing.T) {
	noise := make([]byte, 3<<20)
	x := uint32(1)
	for i := range noise {
		x = x*1664525 + 1013904223
		noise[i] = "0123456789abcdef"[x>>28]
	}
	r := Record{Workflow: "flow: v1", Actions: []Action{{Node: "a", Action: json.RawMessage(`"` + string(noise) + `"`)}}}
	c, err := r.Chunk()
	if err != nil || len(c) > 1000 {
		t.Fatalf("%d bytes, %v: the actions alone are too large", len(c), err)
	}
	if got, err := Read(bytes.NewReader(picture(t, c))); err != nil || got.Actions != nil || got.Workflow != "flow: v1" {
		t.Error(got, err)
	}
	r.Workflow = string(noise)
	if _, err := r.Chunk(); !errors.Is(err, errLarge) {
		t.Error(err)
	}
}

func TestUntrustedPictures(t *testing.T) {
	zeros := strings.Repeat("0", 5<<20)
	for name, x := range map[string]struct {
		file []byte
		want string
	}{
		"no PNG":         {[]byte("GIF89a"), "no PNG"},
		"empty":          {nil, "no PNG"},
		"large chunk":    {picture(t, chunk("tEXt", "k\x00"+strings.Repeat("x", MaxChunk))), "is refused: at most"},
		"bomb":           {picture(t, chunk("iTXt", "flow\x00\x01\x00\x00\x00"+deflated(zeros))), "may expand to"},
		"bomb zTXt":      {picture(t, chunk("zTXt", "k\x00\x00"+deflated(zeros))), "may expand to"},
		"many bombs":     {picture(t, slices.Repeat([][]byte{chunk("zTXt", "k\x00\x00"+deflated(zeros[:3<<20]))}, 2)...), "may expand to"},
		"many chunks":    {picture(t, slices.Repeat([][]byte{chunk("tEXt", "k\x00v")}, 300)...), "more than 256 text chunks"},
		"no key":         {picture(t, chunk("tEXt", "value")), "has no key"},
		"damaged":        {picture(t, chunk("iTXt", "flow\x00\x01\x00")), "iTXt is damaged"},
		"bad zlib":       {picture(t, chunk("zTXt", "k\x00\x00hello")), "compressed text is damaged"},
		"bad JSON":       {picture(t, chunk("tEXt", "flow\x00{")), "record is damaged"},
		"later format":   {picture(t, chunk("tEXt", `flow`+"\x00"+`{"format":2}`)), "form 2; this release reads form 1"},
		"check sum":      {bytes.Replace(picture(t, chunk("tEXt", "flow\x00{}")), []byte("{}"), []byte("[]"), 1), "check sum"},
		"cut":            {picture(t, chunk("tEXt", "k\x00v"))[:45], "ends inside"},
		"false length":   {append([]byte(magic), "\xff\xff\xff\xffzzzz"...), "ends inside"},
		"escape in kind": {append([]byte(magic), "\x00\x00\x00\x09\x1b[2Jab"...), "of no known sort"},
	} {
		_, err := Read(bytes.NewReader(x.file))
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}

func TestOtherPrograms(t *testing.T) {
	texts, err := Texts(bytes.NewReader(picture(t, chunk("tEXt", "parameters\x00a castle, forest\nsecond line\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 42, Size: 512x512, Lora hashes: \"a: 1, b: 2\""))))
	if err != nil {
		t.Fatal(err)
	}
	got := Others(texts)
	if len(got) != 1 || got[0].Prompt != "a castle, forest\nsecond line" || got[0].Negative != "blurry" {
		t.Fatalf("%+v", got)
	}
	if s := got[0].Settings; len(s) != 6 || s[1] != (Setting{"Sampler", "DPM++ 2M Karras"}) || s[5] != (Setting{"Lora hashes", "a: 1, b: 2"}) {
		t.Errorf("%q", s)
	}
	graph := `{"3":{"class_type":"KSampler","inputs":{"seed":42,"steps":20,"positive":["6",0],"negative":["7",0]}},
"6":{"class_type":"CLIPTextEncode","inputs":{"text":"a castle","clip":["4",1]}},"7":{"class_type":"CLIPTextEncode","inputs":{"text":"blurry"}},
"10":{"class_type":"SaveImage","inputs":{"filename_prefix":"x"}}}`
	if texts, err = Texts(bytes.NewReader(picture(t, chunk("tEXt", "prompt\x00"+graph)))); err != nil {
		t.Fatal(err)
	}
	got = Others(texts)
	if len(got) != 1 || got[0].Prompt != "a castle" || got[0].Negative != "blurry" || got[0].Settings[0] != (Setting{"3 KSampler.seed", "42"}) || got[0].Settings[4].Name != "10 SaveImage.filename_prefix" {
		t.Errorf("%+v", got)
	}
	if got := Others([]Text{{"prompt", "a castle"}, {"prompt", `{"a":1}`}, {"comment", "x"}}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestOtherForms: graphs whose text is not beside the sampler, JSON as Python writes it, values that were quoted; and a graph that goes round in circles.
func TestOtherForms(t *testing.T) {
	encode := `"6":{"class_type":"CLIPTextEncode","inputs":{"text":"a castle"}},"7":{"class_type":"CLIPTextEncode","inputs":{"text":"NaN, \"blurry\""}}`
	for name, x := range map[string]struct{ text, prompt, negative string }{
		"numbers that JSON does not have": {`{"3":{"class_type":"KSampler","inputs":{"cfg":NaN,"a":-Infinity,"positive":["6",0],"negative":["7",0]},"is_changed":[NaN]},` + encode + `}`, "a castle", `NaN, "blurry"`},
		"SDXL's two encoders":             {`{"3":{"class_type":"KSampler","inputs":{"positive":["6",0]}},"6":{"class_type":"CLIPTextEncodeSDXL","inputs":{"text_g":"a castle","text_l":"stone"}}}`, "a castle", ""},
		"a text of its own node":          {`{"3":{"class_type":"KSampler","inputs":{"positive":["6",0]}},"6":{"class_type":"CLIPTextEncode","inputs":{"text":["8",0]}},"8":{"class_type":"PrimitiveString","inputs":{"value":"a castle"}}}`, "a castle", ""},
		"what a controlnet passes on":     {`{"3":{"class_type":"KSampler","inputs":{"positive":["5",0],"negative":["5",1]}},"5":{"class_type":"ControlNetApplyAdvanced","inputs":{"strength":1,"positive":["6",0],"negative":["7",0]}},` + encode + `}`, "a castle", `NaN, "blurry"`},
		"two that are combined":           {`{"3":{"class_type":"KSampler","inputs":{"positive":["5",0]}},"5":{"class_type":"ConditioningCombine","inputs":{"conditioning_1":["6",0],"conditioning_2":["7",0]}},` + encode + `}`, "a castle", ""},
		"a guider without guidance":       {`{"22":{"class_type":"BasicGuider","inputs":{"conditioning":["26",0]}},"26":{"class_type":"FluxGuidance","inputs":{"guidance":3.5,"conditioning":["6",0]}},` + encode + `}`, "a castle", ""},
		"a circle":                        {`{"3":{"class_type":"KSampler","inputs":{"positive":["5",0]}},"5":{"class_type":"x","inputs":{"positive":["5",0],"text":["5",0]}}}`, "", ""},
	} {
		f, ok := comfy(x.text)
		if !ok || f.Prompt != x.prompt || f.Negative != x.negative {
			t.Errorf("%s: %v, %q and %q", name, ok, f.Prompt, f.Negative)
		}
	}
	f := webUI("x\nSteps: 20, Seed: 1, Size: 8x8, Note: \"a \\\"b\\\", caf\\u00e9\\nc\", Rest: \"a")
	if s := f.Settings; len(s) != 5 || s[3].Value != "a \"b\", café\nc" || s[4].Value != `"a` {
		t.Errorf("%q", s)
	}
}

func TestStatement(t *testing.T) {
	r := Record{Release: "v1", Numerics: "bf16@1", Workflow: "flow: v1", Lock: "cd", Actions: []Action{{"noise", "12", json.RawMessage(`{}`), nil}}}
	text, err := json.Marshal(r.Statement("castle.png", "ab"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"_type":"https://in-toto.io/Statement/v1"`, `"subject":[{"name":"castle.png","digest":{"sha256":"ab"}}]`, `"predicateType":"https://slsa.dev/provenance/v1"`, `"workflow":"flow: v1"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

func FuzzTexts(f *testing.F) {
	r := Record{Workflow: "flow: v1"}
	c, err := r.Chunk()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(picture(f, c, chunk("zTXt", "k\x00\x00"+deflated("hello")), chunk("tEXt", "parameters\x00a\nSteps: 1, A: 2, B: 3")))
	f.Fuzz(func(t *testing.T, data []byte) {
		texts, err := Texts(bytes.NewReader(data))
		total := 0
		for _, x := range texts {
			total += len(x.Value)
		}
		if total > 2*MaxExpanded { // Latin-1 grows
			t.Fatal(total)
		}
		if err == nil {
			Others(texts)
			_, _ = Find(texts)
		}
	})
}
