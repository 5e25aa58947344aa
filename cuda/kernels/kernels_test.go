package kernels

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSources holds each PTX text to the source that it was made of, also where there is no compiler.
func TestSources(t *testing.T) {
	sources, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range sources {
		if name, ok := strings.CutSuffix(e.Name(), ".cu"); ok {
			names = append(names, name)
		}
	}
	if !slices.Equal(names, Names()) || len(names) == 0 {
		t.Fatalf("sources %v, texts %v: run go generate ./cuda/kernels", names, Names())
	}
	for _, name := range names {
		text, err := Text(name)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := SourceHash(os.DirFS("."), name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, "// source: sha256 "+hash+"\n") {
			t.Errorf("%s.ptx is not made of this %s.cu and its headers: run go generate ./cuda/kernels", name, name)
		}
	}
}

var sharedArray = regexp.MustCompile(`\.shared \.align \d+ \.b8 \S+\[(\d+)\]`)

// TestTexts checks what every text promises to the driver.
func TestTexts(t *testing.T) {
	for _, name := range Names() {
		text, err := Text(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\n.version 7.0\n", "\n.target sm_80\n", "\n.address_size 64\n", "\n.visible .entry "} {
			if !strings.Contains(text, want) {
				t.Errorf("%s.ptx lacks %q", name, want)
			}
		}
		for _, no := range []string{".local", "\tatom.", "\tred.", ".extern .func", "fma.rn.f64", ".approx"} {
			if no == ".approx" && name == "flash" {
				continue // class fp16 has no bits of a processor to keep
			}
			if strings.Contains(text, no) {
				t.Errorf("%s.ptx has %s", name, no)
			}
		}
		if len(sharedArray.FindAllString(text, -1)) != strings.Count(text, ".shared .align") {
			t.Errorf("%s.ptx declares shared memory of another form", name)
		}
	}
	if _, err := Text("none"); err == nil {
		t.Error("a text that does not exist is no error")
	}
}
