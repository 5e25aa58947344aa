package weights

import (
	"fmt"
	"strings"
)

// Error says what is wrong with one file of a model.
type Error struct {
	File    string // path
	Tensor  string // name in that file; empty when it is about the whole file
	Problem string
	Hint    string // what to do about it; may be empty
	Err     error  // cause; may be nil
}

// Error gives "file: tensor "name": problem: cause (hint)".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Tensor != "" {
		fmt.Fprintf(&b, ": tensor %s", quoteName(e.Tensor))
	}
	b.WriteString(": ")
	b.WriteString(e.Problem)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// quoteName quotes a name from a file and cuts it where it is absurdly long.
func quoteName(name string) string {
	const most = 200
	if len(name) > most {
		return fmt.Sprintf("%q... (%d bytes)", name[:most], len(name))
	}
	return fmt.Sprintf("%q", name)
}
