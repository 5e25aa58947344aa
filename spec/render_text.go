package spec

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

// cells measures text in columns of a terminal. It does not ask the locale, so that output is the same everywhere.
var cells = &runewidth.Condition{StrictEmojiNeutral: true}

func renderText(w io.Writer, list []Diagnostic, sources map[string][]byte, width int) error {
	var b strings.Builder
	lines := make(map[string][][]byte)
	for _, d := range list {
		if _, ok := lines[d.File]; !ok && sources[d.File] != nil {
			lines[d.File] = bytes.Split(bytes.TrimPrefix(sources[d.File], []byte("\ufeff")), []byte{'\n'})
		}
		fmt.Fprintf(&b, "%s: %s: %s  [%s]\n", safetext.Line(d.place()), d.Severity, safetext.Line(d.Message), d.Code)
		shown := excerpt(&b, d.Pos, d.Hint, lines[d.File], width)
		if !shown && d.Hint != "" {
			fmt.Fprintf(&b, "    %s\n", safetext.Line(d.Hint))
		}
		for _, r := range d.Related {
			fmt.Fprintf(&b, "  %s:%d:%d: %s\n", safetext.Line(d.File), r.Pos.Line, r.Pos.Col, safetext.Line(r.Message))
			excerpt(&b, r.Pos, "", lines[d.File], width)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// excerpt shows a line with a mark below it and the hint beside the mark.
func excerpt(b *strings.Builder, p Pos, hint string, lines [][]byte, width int) bool {
	if !p.Known() || p.Line > len(lines) {
		return false
	}
	gutter := fmt.Sprintf(" %d | ", p.Line)
	blank := strings.Repeat(" ", len(gutter)-2) + "| "
	room := 200
	if width > 0 {
		room = max(8, width-len(gutter)-1)
	}
	before, marked, after := window(lines[p.Line-1], p.Col-1, max(1, p.Len), room)
	fmt.Fprintf(b, "%s%s\n", gutter, strings.TrimRight(before+marked+after, " "))
	mark := strings.Repeat(" ", cells.StringWidth(before)) + strings.Repeat("^", max(1, cells.StringWidth(marked)))
	hint = safetext.Line(hint)
	if hint != "" && width > 0 && len(blank)+len(mark)+1+cells.StringWidth(hint) > width {
		fmt.Fprintf(b, "%s%s\n%s%s\n", blank, mark, blank, hint)
		return true
	}
	fmt.Fprintf(b, "%s\n", strings.TrimRight(blank+mark+" "+hint, " "))
	return true
}

// window cuts a line to a part of room columns in which n characters from col (counted from 0) lie, as far as there
// is room: what stands before them, they, and what follows. Of a long line only the part is copied.
func window(line []byte, col, n, room int) (before, marked, after string) {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	start := skip(line, 0, col)
	end := skip(line, start, n)
	marked = fit(safetext.Line(string(line[start:skip(line, start, min(n, room))])), room-1)
	left := room - cells.StringWidth(marked)
	from := 0
	if cells.StringWidth(string(line[:skip(line, 0, min(col, room))])) > left-1 || col > room {
		from = back(line, start, min(left, room/3))
	}
	before = safetext.Line(string(line[from:start]))
	if from > 0 {
		before = "…" + before
	}
	for cells.StringWidth(before) > left && len(before) > len("…") { // wide characters
		_, size := utf8.DecodeRuneInString(before[len("…"):])
		before = "…" + before[len("…")+size:]
	}
	after = fit(safetext.Line(string(line[end:skip(line, end, room)])), left-cells.StringWidth(before))
	return before, marked, after
}

// skip is the byte after n characters from byte i on.
func skip(line []byte, i, n int) int {
	for ; n > 0 && i < len(line); n-- {
		_, size := utf8.DecodeRune(line[i:])
		i += size
	}
	return i
}

// back is the byte n characters before byte i.
func back(line []byte, i, n int) int {
	for ; n > 0 && i > 0; n-- {
		_, size := utf8.DecodeLastRune(line[:i])
		i -= size
	}
	return i
}

// fit cuts a text to a number of columns.
func fit(s string, columns int) string {
	used := 0
	for i, r := range s {
		if used += cells.RuneWidth(r); used > columns {
			return s[:i]
		}
	}
	return s
}
