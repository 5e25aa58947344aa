//go:build !unix

package spec

import "time"

var began = time.Now()

// cpuTime is the time on the clock where processor time is not known.
func cpuTime() time.Duration { return time.Since(began) }
