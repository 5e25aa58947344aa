//go:build !race

package plan

import "time"

// limitOfPlan is the promise for 1,000 nodes.
const limitOfPlan = 50 * time.Millisecond
