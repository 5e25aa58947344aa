package weights

import (
	"encoding/json"
	"fmt"
	"math"
)

// scanner reads the few JSON forms that a safetensors header may have. It
// never recurses and never copies more than one string.
type scanner struct {
	buf []byte
	pos int
}

func (s *scanner) fail(format string, args ...any) error {
	return fmt.Errorf("header, byte %d: %s", s.pos, fmt.Sprintf(format, args...))
}

func (s *scanner) space() {
	for s.pos < len(s.buf) {
		switch s.buf[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek gives the next byte after white space, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos < len(s.buf) {
		return s.buf[s.pos]
	}
	return 0
}

// expect takes the byte c.
func (s *scanner) expect(c byte) error {
	if got := s.peek(); got != c {
		if s.pos >= len(s.buf) {
			return s.fail("ends where %q should be", c)
		}
		return s.fail("%q where %q should be", got, c)
	}
	s.pos++
	return nil
}

// list reads "open item, item close", calling item at the start of each.
func (s *scanner) list(open, end byte, item func() error) error {
	if err := s.expect(open); err != nil {
		return err
	}
	if s.peek() == end {
		s.pos++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if s.peek() == end {
			s.pos++
			return nil
		}
		if err := s.expect(','); err != nil {
			return err
		}
	}
}

// str reads a string.
func (s *scanner) str() (string, error) {
	b, err := s.bytes()
	return string(b), err
}

// bytes reads a string, as a part of the header where it has no escapes.
func (s *scanner) bytes() ([]byte, error) {
	if err := s.expect('"'); err != nil {
		return nil, err
	}
	start, escaped := s.pos, false
	for s.pos < len(s.buf) {
		switch c := s.buf[s.pos]; {
		case c == '"':
			raw := s.buf[start:s.pos]
			s.pos++
			if !escaped {
				return raw, nil
			}
			var out string
			if err := json.Unmarshal(s.buf[start-1:s.pos], &out); err != nil {
				return nil, s.fail("bad string")
			}
			return []byte(out), nil
		case c == '\\':
			escaped = true
			s.pos += 2
		case c < 0x20:
			return nil, s.fail("control character in a string")
		default:
			s.pos++
		}
	}
	s.pos = len(s.buf)
	return nil, s.fail("ends inside a string")
}

// natural reads a whole number of at least 0 without sign, fraction or exponent.
func (s *scanner) natural() (uint64, error) {
	s.space()
	start, n := s.pos, uint64(0)
	for s.pos < len(s.buf) && s.buf[s.pos] >= '0' && s.buf[s.pos] <= '9' {
		d := uint64(s.buf[s.pos] - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, s.fail("number too large")
		}
		n = n*10 + d
		s.pos++
	}
	switch {
	case s.pos == start:
		return 0, s.fail("a whole number of at least 0 should be here")
	case s.buf[start] == '0' && s.pos > start+1:
		return 0, s.fail("number with a leading zero")
	}
	return n, nil
}
