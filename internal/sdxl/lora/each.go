package lora

import (
	"runtime"

	"golang.org/x/sync/errgroup"
)

// each calls f for 0 to n-1, by several goroutines. Rows do not depend on each other.
func each(n int, f func(i int)) {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	chunk := (n + 4*runtime.GOMAXPROCS(0) - 1) / (4 * runtime.GOMAXPROCS(0))
	for from := 0; from < n; from += chunk {
		group.Go(func() error {
			for i := from; i < min(n, from+chunk); i++ {
				f(i)
			}
			return nil
		})
	}
	_ = group.Wait() // no f fails
}
