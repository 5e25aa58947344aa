//go:build !unix

package machine

import "time"

// ProcessorTime is 0: it cannot be told here.
func ProcessorTime() time.Duration { return 0 }
