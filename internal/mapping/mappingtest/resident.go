// Package mappingtest looks at mapped files as the system sees them, for tests.
package mappingtest

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// Resident gives how many kB of the mappings of a file are in this process's memory, by /proc/self/smaps. Where there is none the test is skipped.
func Resident(t *testing.T, path string) (kb int) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip("no /proc/self/smaps")
	}
	in := false
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		switch {
		case fields[0] == "Rss:" && in:
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			kb += n
		case !strings.HasSuffix(fields[0], ":"):
			in = len(fields) > 5 && fields[5] == path
		}
	}
	return kb
}
