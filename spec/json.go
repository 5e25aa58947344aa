package spec

import (
	"encoding/json"
	"strconv"
	"strings"
)

// JSON gives the value as plain JSON values: numbers keep all digits, references are text and a text is as it is
// written: $$ at its beginning stays.
func (v *Value) JSON() any {
	switch v.Kind {
	case Map:
		m := make(map[string]any, len(v.Entries))
		for _, e := range v.Entries {
			m[e.Key.Text] = e.Value.JSON()
		}
		return m
	case List:
		l := make([]any, 0, len(v.Items))
		for _, x := range v.Items {
			l = append(l, x.JSON())
		}
		return l
	case Null:
		return nil
	case Bool:
		return strings.EqualFold(v.Text, "true")
	case Int, Float:
		if badNumber(v.Text) != "" {
			return v.Text // no reader of JSON should try
		}
		return json.Number(jsonNumber(v.Text))
	}
	if v.dollar {
		return "$" + v.Text
	}
	return v.Text
}

// jsonNumber turns a number into JSON's form: no plus sign, digits on both sides of the point.
func jsonNumber(s string) string {
	s = strings.TrimPrefix(s, "+")
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	if strings.HasPrefix(s, ".") {
		s = "0" + s
	}
	mantissa, exponent, has := strings.Cut(strings.ToLower(s), "e")
	if strings.HasSuffix(mantissa, ".") {
		mantissa += "0"
	}
	if i := strings.IndexByte(mantissa, '.'); i > 1 || i < 0 && len(mantissa) > 1 {
		mantissa = strings.TrimLeft(mantissa, "0")
		if mantissa == "" || mantissa[0] == '.' {
			mantissa = "0" + mantissa
		}
	}
	if has {
		return sign + mantissa + "e" + exponent
	}
	return sign + mantissa
}

// Locate finds the value that a JSON pointer names; nil if there is none.
func (v *Value) Locate(pointer string) *Value {
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if part == "" {
			continue
		}
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		switch v.Kind {
		case Map:
			v = v.Get(part)
		case List:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v.Items) {
				return nil
			}
			v = v.Items[i]
		default:
			return nil
		}
		if v == nil {
			return nil
		}
	}
	return v
}
