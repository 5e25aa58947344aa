package weights

import "testing"

// BenchmarkDigest reads the small model's UNet.
func BenchmarkDigest(b *testing.B) {
	m, err := Open(castle, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			b.Error(err)
		}
	}()
	c, err := m.Component("unet")
	if err != nil {
		b.Fatal(err)
	}
	var bytes int64
	for _, t := range c.tensors {
		bytes += t.size()
	}
	b.SetBytes(bytes)
	for b.Loop() {
		c.sums = nil
		if _, err := c.Digest(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens the small model's UNet without reading weights.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		m, err := Open(castle, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.Component("unet"); err != nil {
			b.Fatal(err)
		}
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
