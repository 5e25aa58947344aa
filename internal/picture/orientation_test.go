package picture

import "testing"

// TestExifOrientation reads directories by hand: both byte orders, the types that hold a number, and what is no orientation.
func TestExifOrientation(t *testing.T) {
	const little, big = "II*\x00\x08\x00\x00\x00", "MM\x00*\x00\x00\x00\x08"
	other := "\x0f\x01\x02\x00\x01\x00\x00\x00A\x00\x00\x00"
	for _, c := range []struct {
		name, exif string
		value      int
		found      bool
	}{
		{"short", little + "\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00", 6, true},
		{"short, big", big + "\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x05\x00\x00", 5, true},
		{"long", little + "\x01\x00\x12\x01\x04\x00\x01\x00\x00\x00\x08\x00\x00\x00", 8, true},
		{"byte", little + "\x01\x00\x12\x01\x01\x00\x01\x00\x00\x00\x03\x00\x00\x00", 3, true},
		{"second", little + "\x02\x00" + other + "\x12\x01\x03\x00\x01\x00\x00\x00\x07\x00\x00\x00", 7, true},
		{"with its mark", "Exif\x00\x00" + little + "\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x02\x00\x00\x00", 2, true},
		{"two numbers", little + "\x01\x00\x12\x01\x03\x00\x02\x00\x00\x00\x06\x00\x06\x00", 0, true},
		{"text", little + "\x01\x00\x12\x01\x02\x00\x01\x00\x00\x00\x06\x00\x00\x00", 0, true},
		{"none", little + "\x01\x00" + other, 0, false},
		{"beyond the count", little + "\x01\x00" + other + "\x12\x01\x03\x00\x01\x00\x00\x00\x07\x00\x00\x00", 0, false},
		{"cut", little + "\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06", 0, false},
		{"directory outside", "II*\x00\xff\xff\xff\xff\x01\x00", 0, false},
		{"no TIFF", "JJ*\x00\x08\x00\x00\x00", 0, false},
		{"nothing", "", 0, false},
	} {
		if value, found := exifOrientation([]byte(c.exif)); value != c.value || found != c.found {
			t.Errorf("%s: %d, %v; want %d, %v", c.name, value, found, c.value, c.found)
		}
	}
	xmp := []byte(`<rdf tiff:Orientation="6"/>`)
	if o := (metadata{exif: []byte(little + "\x01\x00" + other), xmp: xmp}).orientation(); o != 6 {
		t.Errorf("XMP beside an EXIF without orientation: %d", o)
	}
	if o := (metadata{exif: []byte(little + "\x01\x00\x12\x01\x02\x00\x01\x00\x00\x00\x06\x00\x00\x00"), xmp: xmp}).orientation(); o != 0 {
		t.Errorf("XMP beside an EXIF whose orientation is text: %d", o)
	}
}

// TestTurnsAreBack turns a picture there and back for each orientation.
func TestTurnsAreBack(t *testing.T) {
	m := New(3, 2)
	for i := range m.Pix {
		m.Pix[i] = byte(i)
	}
	back := [9]int{0, 1, 2, 3, 4, 5, 8, 7, 6}
	for o := 0; o <= 9; o++ {
		turned := m.oriented(o)
		if o < 1 || o > 8 {
			if turned != m {
				t.Errorf("%d changes the picture", o)
			}
			continue
		}
		if got := turned.oriented(back[o]); got.Width != 3 || string(got.Pix) != string(m.Pix) || o > 1 && string(turned.Pix) == string(m.Pix) {
			t.Errorf("%d and back: %v", o, got)
		}
	}
}
