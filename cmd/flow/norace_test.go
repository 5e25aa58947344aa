//go:build !race

package main

// underRace says whether the race detector runs, under which bounds of memory mean nothing.
const underRace = false
