//go:build unix

package machine

import (
	"syscall"
	"time"
)

// ProcessorTime is the time that all threads of this process have run; 0 where it cannot be told.
func ProcessorTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
