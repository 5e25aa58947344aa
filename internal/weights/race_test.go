//go:build race

package weights

// underRace says whether the race detector runs, under which bounds of time and memory mean nothing.
const underRace = true
