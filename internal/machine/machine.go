// Package machine says what the machine has and what this process may use of it.
package machine

import (
	"bufio"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// Memory is the number of bytes that the process may use: the least of the machine's memory and the limits of
// its control groups; 0 where it cannot be told.
func Memory() int64 {
	if runtime.GOOS != "linux" {
		return 0
	}
	limit := total()
	for _, l := range groupLimits("/sys/fs/cgroup", "/proc/self/cgroup") {
		if l > 0 && (limit == 0 || l < limit) {
			limit = l
		}
	}
	return limit
}

// total is the machine's memory.
func total() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if rest, ok := strings.CutPrefix(sc.Text(), "MemTotal:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// groupLimits are the memory limits of the control groups that the process is in, and of those above (versions 1 and 2).
func groupLimits(root, self string) []int64 {
	var out []int64
	read := func(file string) {
		data, err := os.ReadFile(file)
		if err != nil {
			return
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && n < 1<<60 {
			out = append(out, n)
		}
	}
	read(root + "/memory.max")
	read(root + "/memory/memory.limit_in_bytes")
	data, err := os.ReadFile(self)
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(data)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for dir := parts[2]; dir != "/" && dir != "." && dir != ""; dir = path.Dir(dir) {
			switch {
			case parts[1] == "":
				read(root + dir + "/memory.max")
			case strings.Contains(","+parts[1]+",", ",memory,"):
				read(root + "/memory" + dir + "/memory.limit_in_bytes")
			}
		}
	}
	return out
}
