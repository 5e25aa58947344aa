package why

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// absent is what a value is shown as that is not there.
const absent = "none"

// Show is an argument in canonical form, as a person writes it.
func Show(v any) string {
	switch v := v.(type) {
	case nil:
		return absent
	case string:
		prefix, rest, ok := strings.Cut(v, ":")
		switch {
		case ok && prefix == "f64":
			if bits, err := strconv.ParseUint(rest, 16, 64); err == nil {
				return strconv.FormatFloat(math.Float64frombits(bits), 'g', -1, 64)
			}
		case ok && (prefix == "u64" || prefix == "i64"):
			if _, err := strconv.ParseFloat(rest, 64); err == nil {
				return rest
			}
		}
		return strconv.Quote(v)
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(v)
}

// same compares two arguments in canonical form; of one side whole numbers come as int64, of the other as they stand in JSON.
func same(a, b any) bool {
	return a == nil && b == nil || a != nil && b != nil && plain(a) == plain(b)
}

func plain(v any) string {
	if s, ok := v.(string); ok {
		return "s" + s
	}
	return fmt.Sprint(v)
}

// short is the part of a digest that is shown.
func short(digest string) string {
	if digest == "" {
		return absent
	}
	return digest[:min(12, len(digest))]
}

// maxShown is the number of characters of a value on a line.
const maxShown = 60

// Beside shows two values beside each other. Of long texts that begin alike the beginnings are left out, so that the difference is seen.
func Beside(was, is string) (string, string) {
	if utf8.RuneCountInString(was) <= maxShown && utf8.RuneCountInString(is) <= maxShown {
		return was, is
	}
	a, b := []rune(was), []rune(is)
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	n = max(0, n-10)
	return clip(a, n), clip(b, n)
}

// clip is a text from its n-th character, cut off where it is long.
func clip(s []rune, n int) string {
	out := s[min(n, len(s)):]
	text := ""
	if n > 0 {
		text = "…"
	}
	if len(out) > maxShown {
		return text + string(out[:maxShown]) + "…"
	}
	return text + string(out)
}
