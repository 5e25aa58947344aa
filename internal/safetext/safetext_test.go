package safetext

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"a castle":              "a castle",
		"a\tb\nc":               "a b c",
		"\x1b[2J\x00\x7f\u009b": "\ufffd[2J\ufffd\ufffd\ufffd",
		"a\u202eb\u2066c\u200f": "a\ufffdb\ufffdc\ufffd",
		"城 👩‍🚀 é":               "城 👩‍🚀 é",
	} {
		if got := Line(in); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Lines("a\x1b\nb\tc"); got != "a\ufffd\nb c" {
		t.Errorf("%q", got)
	}
}

// Every control character and every mark of direction is caught.
func TestUnsafeCoversUnicode(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Noncharacter_Code_Point, r)) && !Unsafe(r) {
			t.Errorf("%U is taken as safe", r)
		}
		if Unsafe(r) && unicode.IsPrint(r) {
			t.Errorf("%U is printable", r)
		}
	}
}

func TestJSONKeepsTheValue(t *testing.T) {
	value := "a\u202eb\x7f\u009b\U000e0041\x1b\n 城"
	var b bytes.Buffer
	if err := json.NewEncoder(JSON(&b)).Encode(value); err != nil {
		t.Fatal(err)
	}
	var back string
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back != value {
		t.Errorf("%v: %q, want %q", err, back, value)
	}
	for _, r := range b.String() {
		if Unsafe(r) && r != '\n' {
			t.Errorf("%U in %q", r, b.String())
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add("a\u202eb\x1b\U000e0041")
	f.Fuzz(func(t *testing.T, s string) {
		plain, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want, got string
		_ = json.Unmarshal(plain, &want)
		var b bytes.Buffer
		if err := json.NewEncoder(JSON(&b)).Encode(s); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b.Bytes(), &got); err != nil || got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	})
}
