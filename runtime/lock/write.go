package lock

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/nodes"
)

// Encode writes the lock: YAML with one entry a block, sorted, so that two changes rarely touch the same lines. The same lock gives the same bytes.
func (l *Lock) Encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# What the workflow reads, pinned. flow lock writes it; flow run --locked holds a run to it.\nlock: %d\n", Version)
	if l.Workflow != "" {
		fmt.Fprintf(&b, "workflow: %s\n", quote(l.Workflow))
	}
	fmt.Fprintf(&b, "\nnumerics:\n  class: %s\n  device: %s\n  edition: %s\n\nkinds:\n", plain(l.Class), plain(l.Device), plain(l.Edition))
	for _, k := range l.Kinds {
		fmt.Fprintf(&b, "  - %s\n", plain(k))
	}
	for _, block := range []struct {
		name string
		list []*Pinned
	}{{"models", l.Models}, {"files", l.Files}} {
		if len(block.list) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n", block.name)
		for _, p := range block.list {
			fmt.Fprintf(&b, "  %s:\n", plain(p.Name))
			for i := range p.Entries {
				p.Entries[i].encode(&b)
			}
		}
	}
	return b.Bytes()
}

func (e *Entry) encode(b *bytes.Buffer) {
	indent := "    "
	if e.Name != "" {
		fmt.Fprintf(b, "    %s:\n", quote(e.Name))
		indent = "      "
	}
	fmt.Fprintf(b, "%ssize: %d\n", indent, e.Size)
	for _, x := range []struct {
		name string
		sum  nodes.Digest
	}{{"sha256", e.Sum.SHA256}, {"header", e.Sum.Header}, {"tensors", e.Sum.Tensors}} {
		if x.sum != (nodes.Digest{}) {
			fmt.Fprintf(b, "%s%s: %q\n", indent, x.name, x.sum)
		}
	}
}

// plainText needs no quotes in YAML, unless it is one of words.
var plainText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_@-]*$`)

// words are something else than text to one reader of YAML or another.
var words = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

// plain writes a text without quotes where it needs none.
func plain(s string) string {
	if plainText.MatchString(s) && !slices.Contains(words, strings.ToLower(s)) {
		return s
	}
	return quote(s)
}

// quote writes a text in double quotes as both YAML and JSON read it.
func quote(s string) string {
	var b bytes.Buffer
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffd:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
