package panels

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// ID says what a file holds. Two files of one ID hold the same bytes.
type ID struct {
	Weight [32]byte // digest of the weight's name, type, shape and elements
	Layout string   // how the blocks are made of it, with a version: one line, at most 1 KB
	Blocks int
	Block  int // bytes of a block, a multiple of 4
}

// Sizes of the parts beside blocks, in bytes.
const (
	headerSize = 4096
	sumSize    = 4
	footerSize = 16
)

const endMark = "flow end"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

// text is what the header says.
func (id ID) text() string {
	return fmt.Sprintf("flow panels 1\nweight %x\nlayout %q\nblocks %d of %d bytes\n", id.Weight, id.Layout, id.Blocks, id.Block)
}

// Key names the file.
func (id ID) Key() [32]byte { return sha256.Sum256([]byte(id.text())) }

// Size is the length of the file.
func (id ID) Size() int64 {
	return headerSize + int64(id.Blocks)*int64(id.Block) + sumSize*int64(id.Blocks) + footerSize
}

// check finds what cannot be kept.
func (id ID) check() error {
	if id.Blocks <= 0 || id.Block <= 0 || id.Block%4 != 0 || int64(id.Blocks) > math.MaxInt64/2/int64(id.Block) || len(id.Layout) > 1024 {
		return fmt.Errorf("panels of %d blocks of %d bytes, %.40q", id.Blocks, id.Block, id.Layout)
	}
	return nil
}

// header is the first part of the file.
func (id ID) header() []byte {
	out := make([]byte, headerSize)
	copy(out, id.text())
	binary.LittleEndian.PutUint32(out[headerSize-sumSize:], checksum(out[:headerSize-sumSize]))
	return out
}

// end is what follows the blocks: the table of their checksums and the footer.
func (id ID) end(sums []uint32) []byte {
	out := make([]byte, 0, sumSize*len(sums)+footerSize)
	for _, s := range sums {
		out = binary.LittleEndian.AppendUint32(out, s)
	}
	table := checksum(out)
	header := id.header()
	out = append(out, endMark...)
	out = binary.LittleEndian.AppendUint32(out, table)
	return append(out, header[headerSize-sumSize:]...)
}

// parse reads the ID out of a header; false where it is none.
func parse(header []byte) (id ID, ok bool) {
	text, _, _ := bytes.Cut(header, []byte{0})
	var weight []byte
	if _, err := fmt.Sscanf(string(text), "flow panels 1\nweight %x\nlayout %q\nblocks %d of %d bytes\n", &weight, &id.Layout, &id.Blocks, &id.Block); err != nil || len(weight) != 32 {
		return ID{}, false
	}
	copy(id.Weight[:], weight)
	return id, id.check() == nil && bytes.Equal(id.header(), header)
}

// sums checks the parts of a file beside its blocks, and gives their checksums.
func (id ID) sums(file []byte) ([]uint32, error) {
	switch {
	case int64(len(file)) != id.Size():
		return nil, fmt.Errorf("%d bytes, not %d", len(file), id.Size())
	case !bytes.Equal(file[:headerSize], id.header()):
		return nil, fmt.Errorf("another header")
	}
	end := file[headerSize+id.Blocks*id.Block:]
	out := make([]uint32, id.Blocks)
	for i := range out {
		out[i] = binary.LittleEndian.Uint32(end[sumSize*i:])
	}
	if !bytes.Equal(end, id.end(out)) {
		return nil, fmt.Errorf("another table or footer")
	}
	return out, nil
}
