package main

import (
	"bytes"
	"testing"
	"time"
)

// What is at work is said once where there is no terminal, and again after half a minute.
func TestBenchProgress(t *testing.T) {
	var b bytes.Buffer
	p := &benchProgress{w: &b}
	p.at("UNet", 0, 10)
	p.at("UNet", 1, 10)
	p.shown = time.Now().Add(-time.Minute)
	p.at("UNet", 4, 10)
	p.at("UNet", 5, 10)
	p.at("VAE", 0, 10)
	p.clear()
	if want := "measuring UNet\nmeasuring UNet: 40%\nmeasuring VAE\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	b.Reset()
	p = &benchProgress{w: &b, width: func() int { return 21 }}
	p.at("UNet", 0, 10)
	p.at("UNet", 1, 10)
	p.at("a long name", 5, 10)
	p.clear()
	if want := "\r\x1b[Kmeasuring UNet  0%\r\x1b[Kmeasuring a long nam\r\x1b[K"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// Sizes of pictures on the command line.
func TestSizeOf(t *testing.T) {
	for text, want := range map[string][2]int{"1024": {1024, 1024}, "832x1216": {832, 1216}} {
		if w, h, err := sizeOf(text); err != nil || w != want[0] || h != want[1] {
			t.Errorf("%s: %dx%d, %v", text, w, h, err)
		}
	}
	for _, text := range []string{"", "x", "1024x", "x1024", "-8", "0", "7", "99999", "1024x1024x3", "1e3", "64 ", "+64", "064"} {
		if w, h, err := sizeOf(text); err == nil {
			t.Errorf("%q is %dx%d", text, w, h)
		}
	}
}
