//go:build race

package plan

import "time"

// limitOfPlan is wide under the race detector, which is not what is promised.
const limitOfPlan = 2 * time.Second
