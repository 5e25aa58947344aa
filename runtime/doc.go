// Package runtime runs workflows: [Plan] reads a file and says what would run,
// [Run] runs it. It is the one face of plan, sched and cache that commands see; it is not a stable
// API before v1. Import it as flowruntime.
package runtime
