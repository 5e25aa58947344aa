package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// peaks are the greatest sizes of a process in bytes.
type peaks struct {
	Resident int64 // with pages of mapped files
	Private  int64 // without them
}

// processorSeconds is the time that all threads of this process have used.
func processorSeconds() float64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}

// watchMemory looks at this process ten times a second until stop is called.
func watchMemory() (stop func() peaks) {
	done, out := make(chan struct{}), make(chan peaks)
	go func() {
		var p peaks
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			sizes := status()
			p.Resident, p.Private = max(p.Resident, sizes["VmHWM"]), max(p.Private, sizes["RssAnon"])
			select {
			case <-tick.C:
			case <-done:
				out <- p
				return
			}
		}
	}()
	return func() peaks {
		close(done)
		return <-out
	}
}

// status reads the sizes in /proc/self/status.
func status() map[string]int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	sizes := make(map[string]int64)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		var kb int64
		if _, err := fmt.Sscanf(value, "%d kB", &kb); err == nil {
			sizes[name] = kb << 10
		}
	}
	return sizes
}
