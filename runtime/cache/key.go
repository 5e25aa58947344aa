package cache

import (
	"encoding/hex"
	"fmt"
)

// ActionKey is the SHA-256 of an action document: what was asked for.
type ActionKey [32]byte

// BlobID is the SHA-256 of a blob's bytes: what was made.
type BlobID [32]byte

// Digest is the SHA-256 of a value's content (dtype, shape, elements), whatever
// container holds it.
type Digest [32]byte

// String gives the key as 64 hexadecimal digits.
func (k ActionKey) String() string { return hex.EncodeToString(k[:]) }

// String gives the ID as 64 hexadecimal digits.
func (b BlobID) String() string { return hex.EncodeToString(b[:]) }

// String gives the digest as 64 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText gives the key as 64 hexadecimal digits.
func (k ActionKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// MarshalText gives the ID as 64 hexadecimal digits.
func (b BlobID) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// MarshalText gives the digest as 64 hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *ActionKey) UnmarshalText(text []byte) error { return parseHash((*[32]byte)(k), string(text)) }

// UnmarshalText reads what MarshalText wrote.
func (b *BlobID) UnmarshalText(text []byte) error { return parseHash((*[32]byte)(b), string(text)) }

// UnmarshalText reads what MarshalText wrote.
func (d *Digest) UnmarshalText(text []byte) error { return parseHash((*[32]byte)(d), string(text)) }

// parseHash reads 64 lower-case hexadecimal digits: one spelling for one hash,
// since the digits are file names too.
func parseHash(to *[32]byte, s string) error {
	if !isHex(s, 64) {
		return fmt.Errorf("%q is not a hash: want 64 digits of 0-9 and a-f", clip(s, 80))
	}
	_, err := hex.Decode(to[:], []byte(s))
	return err
}

// isHex reports whether s is n lower-case hexadecimal digits.
func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// clip shortens s for a message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
