package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// usage is what one kernel takes on one architecture.
type usage struct {
	file, kernel                    string
	arch, threads                   int // threads of a block
	registers, shared, stack, spill int // of a thread; bytes of a block; bytes of a thread
}

var (
	entryOf   = regexp.MustCompile(`Compiling entry function '(\w+)'`)
	stackOf   = regexp.MustCompile(`(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads`)
	registers = regexp.MustCompile(`Used (\d+) registers`)
	sharedOf  = regexp.MustCompile(`(\d+) bytes smem`)
	entry     = regexp.MustCompile(`\.entry (\w+)\(`)
	threadsAt = regexp.MustCompile(`\.maxntid (\d+)`)
)

// blockThreads is what the executor launches where the kernel's text names no number.
const blockThreads = 128

// threadsOf reads the threads of a block of a PTX text's kernels.
func threadsOf(text string) map[string]int {
	m := make(map[string]int)
	name := ""
	for line := range strings.Lines(text) {
		if e := entry.FindStringSubmatch(line); e != nil {
			name = e[1]
			m[name] = blockThreads
		} else if t := threadsAt.FindStringSubmatch(line); t != nil && name != "" {
			m[name], _ = strconv.Atoi(t[1])
		}
	}
	return m
}

// readUsage reads what ptxas -v prints.
func readUsage(out string, threads map[string]int) ([]usage, error) {
	var all []usage
	for line := range strings.Lines(out) {
		if e := entryOf.FindStringSubmatch(line); e != nil {
			all = append(all, usage{kernel: e[1], threads: threads[e[1]]})
			continue
		}
		if len(all) == 0 {
			continue
		}
		u := &all[len(all)-1]
		if s := stackOf.FindStringSubmatch(line); s != nil {
			stores, _ := strconv.Atoi(s[2])
			loads, _ := strconv.Atoi(s[3])
			u.stack, _ = strconv.Atoi(s[1])
			u.spill = stores + loads
		}
		if s := registers.FindStringSubmatch(line); s != nil {
			u.registers, _ = strconv.Atoi(s[1])
			if s := sharedOf.FindStringSubmatch(line); s != nil {
				u.shared, _ = strconv.Atoi(s[1])
			}
		}
	}
	if len(all) != len(threads) {
		return nil, fmt.Errorf("ptxas names %d kernels of %d", len(all), len(threads))
	}
	for _, u := range all {
		if u.registers == 0 || u.threads == 0 {
			return nil, fmt.Errorf("ptxas does not say what %s takes", u.kernel)
		}
	}
	return all, nil
}

// limits are what a multiprocessor has (CUDA C++ Programming Guide, technical specifications per compute capability).
type limits struct{ shared, warps, blocks int }

// limitsOf gives the limits of an architecture, and whether they are known.
func limitsOf(arch int) (limits, bool) {
	switch {
	case arch == 80:
		return limits{164 << 10, 64, 32}, true
	case arch == 86:
		return limits{100 << 10, 48, 16}, true
	case arch == 89:
		return limits{100 << 10, 48, 24}, true
	case arch == 90, arch == 100, arch == 103:
		return limits{228 << 10, 64, 32}, true
	case arch == 120, arch == 121:
		return limits{100 << 10, 48, 24}, true
	}
	return limits{}, false
}

// occupancy is how many warps of how many are resident where blocks of this kernel fill a multiprocessor of 65536 registers. Registers are given
// to warps by 256; each block keeps 1 KiB of shared memory beside its own.
func (u *usage) occupancy() (warps, most int, known bool) {
	l, known := limitsOf(u.arch)
	if !known {
		return 0, 0, false
	}
	perBlock := (u.threads + 31) / 32
	perWarp := (u.registers*32 + 255) / 256 * 256
	blocks := min(l.blocks, l.warps/perBlock, 65536/perWarp/perBlock, l.shared/(u.shared+1024))
	return blocks * perBlock, l.warps, true
}
