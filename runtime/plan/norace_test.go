//go:build !race

package plan

import "time"

// limitOfPlan is four times the promise for 1,000 nodes, for machines that do other things beside.
const limitOfPlan = 4 * 50 * time.Millisecond
