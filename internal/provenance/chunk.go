package provenance

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unicode/utf8"
)

// Limits of the text in a picture.
const (
	MaxChunk    = 1 << 20 // bytes of a text chunk in the file
	MaxExpanded = 4 << 20 // bytes of all text, expanded
	maxTexts    = 256     // text chunks
	maxChunks   = 1 << 20 // of all sorts
)

// magic begins a PNG file.
const magic = "\x89PNG\r\n\x1a\n"

// IsPNG says whether data begins as a PNG file does.
func IsPNG(data []byte) bool { return bytes.HasPrefix(data, []byte(magic)) }

// Text is one text chunk of a picture.
type Text struct{ Key, Value string }

// Texts reads the text chunks of a PNG file in their order (PNG specification, 11.3.3): tEXt, zTXt and iTXt. It fails where one is
// larger than MaxChunk, all together expand beyond MaxExpanded, or a chunk is damaged; pixels are passed over.
func Texts(r io.Reader) ([]Text, error) {
	in := bufio.NewReader(r)
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(in, head); err != nil || !IsPNG(head) {
		return nil, errors.New("this is no PNG file")
	}
	var out []Text
	left := MaxExpanded
	for range maxChunks {
		var h [8]byte
		if _, err := io.ReadFull(in, h[:]); err != nil {
			return nil, fmt.Errorf("the file ends inside its chunks: %w", cut(err))
		}
		size, kind := binary.BigEndian.Uint32(h[:]), string(h[4:])
		switch kind {
		case "IEND":
			return out, nil
		case "tEXt", "zTXt", "iTXt":
		default:
			if _, err := io.CopyN(io.Discard, in, int64(size)+4); err != nil {
				return nil, fmt.Errorf("the file ends inside a chunk %s: %w", printable(kind), cut(err))
			}
			continue
		}
		if size > MaxChunk {
			return nil, fmt.Errorf("a text chunk of %d bytes is refused: at most %d are read", size, MaxChunk)
		}
		if len(out) == maxTexts {
			return nil, fmt.Errorf("the picture has more than %d text chunks", maxTexts)
		}
		body := make([]byte, size+4)
		if _, err := io.ReadFull(in, body); err != nil {
			return nil, fmt.Errorf("the file ends inside a chunk %s: %w", kind, cut(err))
		}
		text, err := readText(kind, body, left)
		if err != nil {
			return nil, err
		}
		left -= len(text.Value)
		out = append(out, text)
	}
	return nil, fmt.Errorf("the picture has more than %d chunks", maxChunks)
}

// cut turns the end of a file into a word of its own.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func printable(kind string) string {
	for _, c := range []byte(kind) {
		if c < 'A' || c > 'z' {
			return "of no known sort"
		}
	}
	return kind
}

// readText reads the body of a text chunk with its check sum, to at most left bytes.
func readText(kind string, body []byte, left int) (Text, error) {
	data, sum := body[:len(body)-4], binary.BigEndian.Uint32(body[len(body)-4:])
	if crc32.Update(crc32.ChecksumIEEE([]byte(kind)), crc32.IEEETable, data) != sum {
		return Text{}, fmt.Errorf("a chunk %s is damaged: its check sum does not fit", kind)
	}
	key, rest, ok := bytes.Cut(data, []byte{0})
	if !ok || len(key) == 0 || len(key) > 79 {
		return Text{}, fmt.Errorf("a chunk %s is damaged: it has no key", kind)
	}
	packed := false
	switch kind {
	case "zTXt":
		if len(rest) == 0 || rest[0] != 0 {
			return Text{}, errors.New("a chunk zTXt is compressed in an unknown way")
		}
		packed, rest = true, rest[1:]
	case "iTXt":
		if len(rest) < 2 || rest[0] > 1 || rest[1] != 0 {
			return Text{}, errors.New("a chunk iTXt is damaged")
		}
		packed, rest = rest[0] == 1, rest[2:]
		for range 2 { // language, translated key
			if _, rest, ok = bytes.Cut(rest, []byte{0}); !ok {
				return Text{}, errors.New("a chunk iTXt is damaged")
			}
		}
	}
	value, err := expand(rest, packed, left)
	if err != nil {
		return Text{}, fmt.Errorf("a chunk %s: %w", kind, err)
	}
	if kind != "iTXt" && !utf8.Valid(value) {
		return Text{latin1(key), latin1(value)}, nil
	}
	return Text{string(key), string(value)}, nil
}

// expand gives at most left bytes of text.
func expand(data []byte, packed bool, left int) ([]byte, error) {
	if packed {
		z, err := zlib.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, errors.New("its compressed text is damaged")
		}
		if data, err = io.ReadAll(io.LimitReader(z, int64(left)+1)); err != nil {
			return nil, errors.New("its compressed text is damaged")
		}
	}
	if len(data) > left {
		return nil, fmt.Errorf("its text is refused: a picture's texts may expand to %d bytes", MaxExpanded)
	}
	return data, nil
}

// latin1 reads ISO 8859-1.
func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}
