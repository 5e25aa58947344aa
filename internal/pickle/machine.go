package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Limits of a pickle. SDXL's UNet has 1,680 tensors, a pickle of 0.2 MB and 40,000 values.
const (
	MaxSize   = 32 << 20 // bytes
	MaxValues = 2 << 20  // values that instructions put on the stack, from the memo too
	maxName   = 256      // bytes of a global's module or name
	maxDepth  = 1 << 16  // marks open at once
)

// Error says where a pickle was refused.
type Error struct {
	At  int // byte of the instruction
	Err error
}

// Error gives "byte N of the pickle: ...".
func (e *Error) Error() string { return fmt.Sprintf("byte %d of the pickle: %v", e.At, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// machine is the state of a pickle being read.
type machine struct {
	in     []byte
	pos    int
	stack  []any
	marks  []int // heights of the stack
	memo   map[uint32]any
	pushed int
}

// Decode reads one pickle from the start of in. It gives the value that the pickle leaves and the number of bytes read. Errors are an [*Error].
func Decode(in []byte) (value any, n int, err error) {
	m := &machine{in: in[:min(len(in), MaxSize)], memo: make(map[uint32]any)}
	for {
		at := m.pos
		op, err := m.take(1)
		if err == nil {
			if op[0] == opStop {
				value, err = m.finish()
				if err == nil {
					return value, m.pos, nil
				}
			} else {
				err = m.step(op[0], at)
			}
		}
		if err != nil {
			if len(in) > MaxSize && errors.Is(err, errShort) {
				err = fmt.Errorf("more than %d bytes are not accepted", MaxSize)
			}
			return nil, 0, &Error{at, err}
		}
	}
}

var errShort = errors.New("the pickle ends too early")

// take gives the next n bytes.
func (m *machine) take(n int) ([]byte, error) {
	if n < 0 || n > len(m.in)-m.pos {
		return nil, errShort
	}
	b := m.in[m.pos : m.pos+n]
	m.pos += n
	return b, nil
}

// line gives the text up to the next line feed.
func (m *machine) line() (string, error) {
	rest := m.in[m.pos:min(len(m.in), m.pos+maxName+1)]
	i := strings.IndexByte(string(rest), '\n')
	if i < 0 {
		if len(rest) > maxName {
			return "", fmt.Errorf("a name of more than %d bytes is refused", maxName)
		}
		return "", errShort
	}
	m.pos += i + 1
	return string(rest[:i]), nil
}

func (m *machine) push(v any) error {
	if m.pushed++; m.pushed > MaxValues {
		return fmt.Errorf("more than %d values are not accepted", MaxValues)
	}
	m.stack = append(m.stack, v)
	return nil
}

// floor is the height below which the stack belongs to an outer mark.
func (m *machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

// pop takes the topmost value; a mark is no value.
func (m *machine) pop() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errors.New("the stack is empty")
	}
	v := m.stack[len(m.stack)-1]
	m.stack[len(m.stack)-1] = nil
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

// popMark takes all values above the last mark and the mark.
func (m *machine) popMark() ([]any, error) {
	if len(m.marks) == 0 {
		return nil, errors.New("no mark is on the stack")
	}
	at := m.floor()
	items := append([]any(nil), m.stack[at:]...)
	clear(m.stack[at:])
	m.stack = m.stack[:at]
	m.marks = m.marks[:len(m.marks)-1]
	return items, nil
}

// top is the topmost value, which stays.
func (m *machine) top() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errors.New("the stack is empty")
	}
	return m.stack[len(m.stack)-1], nil
}

// finish is STOP: one value is left.
func (m *machine) finish() (any, error) {
	v, err := m.pop()
	if err != nil {
		return nil, err
	}
	if len(m.stack) > 0 || len(m.marks) > 0 {
		return nil, errors.New("values are left on the stack at the end")
	}
	if g, ok := v.(global); ok {
		return nil, fmt.Errorf("the pickle is the global %s", g)
	}
	return v, nil
}

// text reads n bytes of UTF-8. Python's surrogate escapes are not.
func (m *machine) text(n uint32) (string, error) {
	if uint64(n) > math.MaxInt32 {
		return "", errShort
	}
	b, err := m.take(int(n))
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", errors.New("a text is not UTF-8")
	}
	return string(b), nil
}

// long reads a number of n bytes, little-endian, two's complement.
func (m *machine) long(n int) (int64, error) {
	b, err := m.take(n)
	if err != nil {
		return 0, err
	}
	if n > 8 {
		return 0, &longError{b}
	}
	var word [8]byte
	copy(word[:], b)
	v := binary.LittleEndian.Uint64(word[:])
	if n == 0 {
		return 0, nil
	}
	shift := uint(64 - 8*n)
	return int64(v<<shift) >> shift, nil
}

// longError is a whole number of more than 64 bits.
type longError struct{ bytes []byte }

func (e *longError) Error() string {
	return fmt.Sprintf("a whole number of %d bits is refused", 8*len(e.bytes))
}
